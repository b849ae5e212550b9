# RC-18: what is purged at one edge is gone at the other within a second, and
# nothing else is; news that were missed empty everything.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Askers qw(ask_chat);
use Weir::Stack;

my %common = (http => 'weir_cache_zone answers 2m;
                       weir_class big max_tokens=1000;',
              location => 'weir_api;
                  weir_cache zone=answers scope=shared tag=$http_x_tag;',
              server => 'location = /metrics { weir_metrics; }');

my $a = Weir::Stack->new(%common);
$a->keys;

my $admin = $a->{admin_key};
my $bypass = $a->create_key('carol', 'submit,cache-bypass');

$a->start('redis', 'mock', 'worker', 'nginx');

my $proxy = Weir::RedisProxy->new(path => $a->dir . '/proxy.sock',
                                  to => $a->dir . '/redis.sock');
my $b = Weir::Stack->new(%common, edge_of => $a, weir_redis =>
                         'unix:' . $a->dir . '/proxy.sock timeout=500ms');
$b->start('nginx');


# news(): both edges have read them since; a purge that is told twice is done
# twice, and what was filled in between is gone as well

sub polls {
    return map { $_->ask('/metrics')->body
                 =~ /^weir_cache_purge_polls_total (\d+)/m } $a, $b;
}


sub news {
    my @before = polls();

    $a->wait_for(5, sub {
        my @now = polls();
        return $now[0] > $before[0] + 1 && $now[1] > $before[1] + 1;
    }, 'news');
}


sub hit { ($_[0]->header('Cache-Status') // '') =~ /; hit/ }


sub purge {
    my ($edge, $what, %o) = @_;

    return $edge->ask('/v1/cache/purge', no_key => 1,
        headers => ['Authorization: Bearer ' . ($o{key} // $admin)],
        body => ref $what ? encode_json($what) : $what);
}


# who may, and what

is(purge($a, { all => JSON::PP::true }, key => $a->key)->status, 403,
   'RC-18: not without the scope');

for (['no JSON', '{'], ['no object', '[]'], ['nothing', '{}'],
     ['two', '{"owner":"a","model":"b"}'], ['no such', '{"colour":"red"}'],
     ['not all', '{"all":false}'], ['no word', '{"tag":"a b"}'],
     ['no text', '{"owner":7}'], ['empty', '{"owner":""}'],
     ['no digest', '{"key":"abc"}'])
{
    my ($name, $body) = @$_;
    my $c = purge($a, $body);
    is($c->status, 400, "$name: 400");
    is($c->header('Content-Type'), 'application/problem+json', 'a problem');
}

is($a->ask('/v1/cache/purge', no_key => 1,
           headers => ["Authorization: Bearer $admin"])->status, 405,
   'a purge is no GET');


# by each name: what it names goes, the rest stays, at both edges

my @asked = (
    { text => 'one',   key => $a->key },
    { text => 'two',   key => $a->key, more => { model => 'mock-2' } },
    { text => 'three', key => $a->{other_key} },
    { text => 'four',  key => $a->key, more => { max_tokens => 2000 } },
    { text => 'five',  key => $a->key,
      headers => ['X-Tag: spring'] });


sub fill {
    news();

    for my $edge ($a, $b) {
        for my $q (@asked) {
            my %o = %$q;
            ask_chat($edge, delete $o{text}, %o);
        }
    }
}


sub state {
    my ($edge) = @_;

    # only what is there, without asking for it

    return join ' ', map {
        my %o = %$_;
        my $c = ask_chat($edge, delete $o{text}, %o,
                         headers => [@{ $o{headers} // [] },
                                     'Cache-Control: only-if-cached']);
        hit($c) ? $_->{text} : ();
    } @asked;
}


my $key;

for (['owner', sub { 'bob' }, 'one two four five'],
     ['model', sub { 'mock-2' }, 'one three four five'],
     ['class', sub { 'big' }, 'one two three five'],
     ['tag', sub { 'spring' }, 'one two three four'],
     ['key', sub { $key }, 'two three four five'])
{
    my ($name, $value, $left) = @$_;

    for my $edge ($a, $b) {
        my $other = $edge == $a ? $b : $a;

        fill();
        ($key) = ask_chat($a, 'one', key => $admin)->header('Cache-Status')
                 =~ /key="([0-9a-f]{64})"/;
        is(state($_), 'one two three four five', 'all are there') for $a, $b;

        my $start = time;
        my $c = purge($edge, { $name => $value->() });
        is($c->status, 200, "RC-18: purged by $name");
        is(decode_json($c->body)->{purged}, $name . ':' . $value->(),
           'it says what');

        is(state($edge), $left, "RC-18: by $name, at once where it was asked");
        $a->wait_for(1, sub { state($other) eq $left }, "$name, elsewhere");
        cmp_ok(time - $start, '<', 1, 'RC-18: within a second elsewhere');
    }
}


# all of it

fill();
is(purge($b, { all => JSON::PP::true })->status, 200, 'RC-18: all');
is(state($b), '', 'RC-18: nothing is left');
$a->wait_for(1, sub { state($a) eq '' }, 'all, elsewhere');


# what is under way while it is purged is not kept

my $slow = $a->request('/v1/chat/completions', body => encode_json({
    model => 'mock-1', messages => [{ role => 'user',
        content => '[[mock tag=slow delay=700]] Hi' }] }));
$a->wait_for(5, sub { $a->calls('slow') == 1 }, 'a call');
purge($a, { model => 'mock-1' });
ok($slow->wait(10), 'answered');
is($slow->status, 200, 'all the same');
is(ask_chat($a, '[[mock tag=slow delay=700]] Hi',
            headers => ['Cache-Control: only-if-cached'])->status, 504,
   'RC-18: what was asked before a purge is not kept');


# what was asked a moment before a purge elsewhere is older than that, also if
# the processes there take Redis's clock for one that is behind

$b->expect(qr/weir: /);
$proxy->rules({ on => 'TIME', reply => sprintf("*2\r\n\$10\r\n%d\r\n\$1\r\n0\r\n",
                                               time - 5) });
$proxy->forget;
$proxy->drop;
$a->wait_for(10, sub { 2 <= grep { $_->[0] eq 'TIME' } $proxy->commands },
             'another clock');
$proxy->rules;
$a->wait_for(10, sub { $b->ask('/metrics')->body =~ /^weir_redis_ready 4$/m },
             'connections');

ask_chat($a, '[[mock tag=moment]] Hi');
is(purge($b, { owner => 'alice' })->status, 200, 'purged');
is(ask_chat($b, '[[mock tag=moment]] Hi',
            headers => ['Cache-Control: only-if-cached'])->status, 504,
   'RC-18: also what was asked a moment ago');

# a mark does not go back with a clock

my $mark = $a->redis('ZSCORE', 'weir:{0}:marks', 'owner:alice');
cmp_ok($mark, '>', 0, 'a mark');
$proxy->rules({ on => 'TIME', reply => sprintf("*2\r\n\$10\r\n%d\r\n\$1\r\n0\r\n",
                                               time - 3600) });
is(purge($b, { owner => 'alice' })->status, 200, 'purged an hour ago');
$proxy->rules;
is($a->redis('ZSCORE', 'weir:{0}:marks', 'owner:alice'), $mark,
   'RC-18: it stays where it was');


# news that are missed: a stream that is gone, and one that ran over

sub held {
    my ($edge) = @_;
    my $c = $edge->ask('/v1/cache', no_key => 1,
                       headers => ["Authorization: Bearer $admin"]);

    return decode_json($c->body)->{zones}[0]{entries};
}


fill();
is(held($b), 5, 'all are there');
$a->redis('DEL', 'weir:{0}:purges');
$a->redis('INCRBY', 'weir:{0}:purgecount', 7);
$a->wait_for(2, sub { held($b) == 0 }, 'missed news');
pass('RC-18: missed news empty it');

fill();
is(held($b), 5, 'all are there');
$a->redis('DEL', 'weir:{0}:purgecount');
$a->wait_for(2, sub { held($b) == 0 }, 'a count that runs backwards');
pass('RC-18: so does a count that runs backwards');


# news that are none: what is there is served until they are read again, from
# the start

fill();
is(held($b), 5, 'all are there');
$_->expect(qr/weir: what was purged cannot be read/) for $a, $b;
$a->redis('SET', 'weir:{0}:purges', 'no stream');
$_->wait_log('nginx', qr/what was purged cannot be read.*WRONGTYPE/, 5)
    for $a, $b;
is(held($b), 5, 'RC-18: they are still there');
$a->redis('DEL', 'weir:{0}:purges');
$a->wait_for(2, sub { held($b) == 0 }, 'news again');
pass('RC-18: then they are dropped');


# an edge that cannot reach Redis does not know; once it can, it does

fill();
is(state($b), 'one two three four five', 'all are there');
$b->expect(qr/weir: /);
$proxy->mode(mute => 1);
my $c = purge($b, { all => JSON::PP::true });
is($c->status, 503, 'without Redis nothing is purged');
is($c->header('Retry-After'), 1, 'and it may be asked again');
is(state($b), 'one two three four five', 'nothing was purged');
purge($a, { tag => 'spring' });
is(state($b), 'one two three four five', 'it cannot know');
is(state($a), 'one two three four', 'others do');
$proxy->mode(mute => 0);
$a->wait_for(5, sub { state($b) eq 'one two three four' }, 'it is told');
pass('RC-18: told later');


# what the node has

$c = $a->ask('/v1/cache', no_key => 1,
                headers => ["Authorization: Bearer $admin"]);
is($c->status, 200, 'the state of the zones');
my ($zone) = @{ decode_json($c->body)->{zones} };
is($zone->{name}, 'answers', 'a zone');
cmp_ok($zone->{$_}, '>', 0, $_)
    for qw(entries used_bytes bytes hits misses stores purged);
is($a->ask('/v1/cache')->status, 403, 'not for everybody');

$b->end;
$a->end;
done_testing();

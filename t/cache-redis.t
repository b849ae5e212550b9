# Answers in a Redis of their own: they are there and nowhere else, and while
# it is slow or gone requests are answered as if there were none.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);
use Weir::Asked;
use Weir::Askers qw(chat ask_chat what);
use Weir::Stack;

my $own = Weir::Stack->new;
my $sock = $own->dir . '/redis.sock';

my %edge = (processes => 1,
    http => "weir_cache_zone answers 2m;
             weir_cache_redis unix:$sock timeout=300ms connect_timeout=300ms;",
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location = /metrics { weir_metrics; }
               location = /readyz { weir_readyz; }');
my %worker = (worker_more => "cache_redis {
    address = \"unix:$sock\"
    timeout = 300ms
}");

$own->start('redis');

my $a = Weir::Stack->new(%edge, %worker);
$a->keys;
my $admin = $a->create_key('carol', 'submit,admin');
$a->start;

my $b = Weir::Stack->new(%edge, edge_of => $a);
$b->start('nginx');


sub metric { $_[0]->edge_metric($_[1]) }


sub looks { metric($_[0], qq(weir_cache_redis_lookups_total{result="$_[1]"})) }


sub connected {
    for my $edge ($a, $b) {
        $edge->wait_for(20, sub { metric($edge, 'weir_cache_redis_ready') },
                        'a connection of nginx');
    }

    $a->wait_for(20, sub { $a->metric('cache_redis_connected') == 2 },
                 'the connections of the worker');
}


sub stored {
    my ($n) = @_;
    $own->wait_for(10, sub { $own->redis('ZCARD', 'weir:{0}:answers') >= $n },
                   "$n answers");
}


my $MISS = 'weir; fwd=uri-miss; stored';
my $HIT = qr/^weir; hit; ttl=\d+$/;

connected();


# they are in the second one, and only there

my $first = ask_chat($a, '[[mock tag=one size=3000]] Hi');
is($first->status, 200, 'asked');
is(what($first), $MISS, 'a miss');
stored(1);

is(scalar @{ $own->redis('KEYS', 'weir:{0}:answer:*') }, 1, 'it is kept');
is_deeply($a->redis('KEYS', 'weir:{0}:answer*'), [], 'not with the queue');
is_deeply([grep { !/:(?:answers?|sweep)\b/ } @{ $own->redis('KEYS', '*') }],
          [], 'nothing else is there');
is(looks($a, 'none'), 1, 'there was none before');

my $c = ask_chat($b, '[[mock tag=one size=3000]] Hi');
like(what($c), $HIT, 'a hit at the other node');
is($c->body, $first->body, 'in the same bytes');
is($a->calls('one'), 1, 'one call');
is(looks($b, 'found'), 1, 'it was found there');
is(metric($b, 'weir_cache_hits_total{level="redis"}'), 1, 'from Redis');
like(what(ask_chat($b, '[[mock tag=one size=3000]] Hi')), $HIT, 'from memory');
is(looks($b, 'found'), 1, 'without a look');

ask_chat($a, '[[mock tag=kept]] Hi');
stored(2);


# joining is a matter of the queue

sub join_all {
    my ($tag) = @_;
    my @c = map { chat($_ % 2 ? $a : $b, "[[mock tag=$tag delay=1500]] Hi") }
            1 .. 6;

    $_->wait(20) for @c;
    is(join(' ', map { $_->status // '-' } @c), '200 ' x 5 . '200',
       "$tag: all are answered");
    is($a->calls($tag), 1, "$tag: one call");
    is(scalar(grep { what($_) =~ /collapsed/ } @c), 5, "$tag: five join");
}

join_all('join');


# a purge: what is still there is void

ask_chat($a, '[[mock tag=gone]] Hi');
stored(4);

my $p = $a->ask('/v1/cache/purge', no_key => 1, body => '{"all":true}',
                headers => ["Authorization: Bearer $admin"]);
is($p->status, 200, 'purged') or diag $p->body;
is(what(ask_chat($b, '[[mock tag=gone]] Hi')), $MISS, 'a miss after it');
is($a->calls('gone'), 2, 'asked again');

# the last may have been asked in the very millisecond of the purge

$own->wait_for(20, sub { $own->redis('ZCARD', 'weir:{0}:answers') <= 1 },
               'what is void goes');

my $n = $own->redis('ZCARD', 'weir:{0}:answers');
is(what(ask_chat($a, '[[mock tag=kept]] Hi')), $MISS, 'what was kept went');
stored($n + 1);


# it stands still: few wait, and not for longer than the time

sub without {
    my ($tag) = @_;
    my ($late, $skipped) = map { looks($b, $_) } qw(late skipped);

    for (1 .. 10) {
        my $began = time;
        my $c = ask_chat($b, "[[mock tag=$tag]] Number $_");

        is($c->status, 200, "$tag: answered");
        is(what($c), $MISS, "$tag: a miss");
        note sprintf '%.0f ms', (time - $began) * 1000;
    }

    cmp_ok(looks($b, 'late') - $late, '<=', 2, "$tag: few waited");
    cmp_ok(looks($b, 'skipped') - $skipped, '>=', 8, "$tag: others did not");
    is($a->calls($tag), 10, "$tag: ten calls");
    is(what(ask_chat($b, "[[mock tag=$tag]] Number 1")) =~ $HIT, 1,
       "$tag: in memory it is there");
    is($b->ask('/readyz')->status, 200, "$tag: the node is ready");
    is(metric($b, 'weir_cache_redis_ready'), 0, "$tag: not connected");
    join_all("$tag-join");
}

my $unkept = $a->metric('answers_not_kept_total');

$own->signal('redis', 'STOP');
without('stopped');
$a->wait_for(10, sub { $a->metric('answers_not_kept_total') >= $unkept + 11 },
             'none was kept');
cmp_ok(scalar(() = $a->log('worker') =~ /answers_not_kept/g), '<=', 2,
       'each runner says so once');
cmp_ok(looks($b, 'late'), '>=', 1, 'it was waited for');
$own->signal('redis', 'CONT');
connected();


# and is back: what was kept is found, after a pause

sub back {
    my ($tag) = @_;

    $b->wait_for(40, sub {
        my $n = looks($b, 'none');
        ask_chat($b, "[[mock tag=any]] " . time);
        return looks($b, 'none') > $n;
    }, "$tag: it is asked again");

    my $n = $own->redis('ZCARD', 'weir:{0}:answers');
    my $first = ask_chat($a, "[[mock tag=$tag-back]] Hi");
    stored($n + 1);

    my $c = ask_chat($b, "[[mock tag=$tag-back]] Hi");
    like(what($c), $HIT, "$tag: a hit again");
    is($c->body, $first->body, "$tag: in the same bytes");
}

back('stopped');
like(what(ask_chat($b, '[[mock tag=kept]] Hi')), $HIT, 'kept all the time');


# it is killed

$own->signal('redis', 'KILL');
$b->wait_for(10, sub { !metric($b, 'weir_cache_redis_ready') }, 'down');

without('killed');
$own->start('redis');
connected();
back('killed');
$b->end;
$a->end;


# its budget: a share of that Redis

$own->redis('FLUSHALL');
$own->redis('CONFIG', 'SET', 'maxmemory', '10mb');

my $w = Weir::Stack->new(%worker, worker => 'cache_budget = "10%"');
$w->start(qw(redis mock worker));

for my $n (0 .. 99) {
    my $q = sha256_hex("$n");
    my $at = Weir::Asked->now - 1000_000 + $n;
    my $outcome = 'x' x 20_000;
    my $record = join(' ', 'v1', Weir::Asked->id, '1000001', $at, $at,
                      ($at + 7200_000) x 3, 1, 2, 3, 'answer', 5, 1, 0,
                      length $outcome) . "\nalicem$outcome";

    $own->redis('SET', "weir:{0}:answer:$q", $record, 'PX', 3600_000);
    $own->redis('ZADD', 'weir:{0}:answers', $at, $q);
}

$w->wait_for(20, sub { $own->redis('ZCARD', 'weir:{0}:answers') == 51 },
             'a tenth of its memory');
$w->wait_for(20, sub { $w->metric('answers') == 51 }, 'counted');
is($own->redis('EXISTS', 'weir:{0}:answer:' . sha256_hex('48')), 0,
   'the oldest went');
is($own->redis('EXISTS', 'weir:{0}:answer:' . sha256_hex('49')), 1,
   'the others did not');
$w->end;


# with a wrong one the worker says what is wrong

my $build = $ENV{TEST_NGINX_BUILD} // 'build';

for (['cache_redis { database = 1 }', qr/"address" is missing in section "cache/],
     ["cache_redis { address = \"h:1\"\n user = x }",
      qr/"user" without "password_file" in section "cache_redis"/])
{
    my ($section, $said) = @$_;
    my $file = $own->dir . '/wrong.conf';

    Weir::Stack::write_file($file, "$section\nprovider p { dialect = builtin }
model \"*\" { provider = p }\n");
    like(scalar `$build/weir-worker -t -c $file 2>&1`, $said, $section);
}

done_testing();

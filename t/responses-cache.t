# Responses in a location with a cache: one question asked in another dialect,
# or with other things to repeat, has one answer and one run; each response is
# its own, and stands for itself later.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Responses;
use Weir::Askers qw(what);
use Weir::Stack;

my $true = JSON::PP::true;
my $false = JSON::PP::false;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;
             weir_limit_zone $weir_key_id zone=tokens:1m scope=fleet
                             quota=10000/day count=tokens;',
    location => 'weir_api; weir_cache zone=answers; weir_heartbeat 200ms;',
    worker => 'attempts = 1',
    server => 'location /ttl/ { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 0 route=responses; weir_cache_ttl 1h; }
               location /charged/ { weir_api; weir_cache zone=answers;
                   weir_limit zone=tokens; }
               location /short/ { weir_api; weir_cache zone=answers;
                   weir_max_wait 2s; }
               location = /metrics { weir_metrics; }');

$s->start;

my $r = Weir::Responses->new($s);

sub metric {
    my ($result) = @_;
    return $s->edge_metric(
        qq(weir_cache_requests_total{route="responses",result="$result"}));
}

sub text { $_[0]{output}[0]{content}[0]{text} }

my $HIT = qr/^weir; hit; ttl=\d+$/;


# asked as a completion, answered as responses; each is its own

my $q = '[[mock tag=one]] What is it?';
my $chat = $s->ask('/v1/chat/completions', body => encode_json({
    model => 'mock-1', messages => [{ role => 'user', content => $q }] }));
is($chat->status, 200, 'a completion');

my $a = $r->create($q, metadata => { n => '1' });
is($a->status, 200, 'the same as a response') or diag($a->body);
like(what($a), $HIT, 'a hit');
my $b = $r->create($q, metadata => { n => '2' });
like(what($b), $HIT, 'and again');
is($s->calls('one'), 1, 'one call');

my ($da, $db) = map { decode_json($_->body) } $a, $b;
is(text($da), decode_json($chat->body)->{choices}[0]{message}{content},
   'the same text');
is($da->{metadata}{n}, '1', 'what was asked is repeated');
is($db->{metadata}{n}, '2', 'to each');
isnt($da->{id}, $db->{id}, 'each has its id');
is_deeply(decode_json($r->get($_->{id})->body), $_, 'and is kept') for $da, $db;
is($a->header('X-Weir-Job') =~ s/^job_/resp_/r, $da->{id}, 'its job');

my $c = $r->create($q, stream => $true);
like(what($c), $HIT, 'a hit as a stream');
my @events = $r->events($c);
is($r->text(@events), text($da), 'the same text');
is($events[-1]{type}, 'response.completed', 'to its end');
my $id = $events[0]{response}{id};
my @again = $r->events($r->get($id, query => '?stream=true&starting_after=2'));
is_deeply([map { $_->{type} } @again], [map { $_->{type} } @events[3 .. $#events]],
          'and from an event on, later');

$c = $r->create($q, background => $true);
is($c->status, 200, 'in the background');
is(decode_json($c->body)->{status}, 'completed', 'it is there at once');
is(metric('hit'), 4, 'counted');

# none of it is another's to delete

is($s->ask("/v1/responses/$id", method => 'DELETE')->status, 200, 'deleted');
is($r->get($id)->status, 404, 'gone');
is($r->get($da->{id})->status, 200, 'the others are not');
like(what($r->create($q)), $HIT, 'nor is what is kept');


# not stored: nothing of it is kept but the answer to its question

for my $n (1, 2) {
    my $c = $r->create('[[mock tag=two]] x', store => $false,
                       metadata => { n => "$n" });
    my $d = decode_json($c->body);
    is(what($c), 'weir; fwd=uri-miss; stored', 'not stored: a miss') if $n == 1;
    like(what($c), $HIT, 'not stored: a hit') if $n == 2;
    is($d->{metadata}{n}, $n, 'what was asked is repeated');
    is($r->get($d->{id})->status, 404, 'it is not there later');
}

is($s->calls('two'), 1, 'one call');
is(decode_json($r->create('[[mock tag=two]] x', store => $false,
                          temperature => 0)->body)->{temperature}, 0,
   'another question');
is($s->calls('two'), 2, 'is asked');


# at once: one run

for my $store ($true, $false) {
    my $tag = $store ? 'kept' : 'passing';
    my @all = map { $r->start("[[mock tag=$tag tokens=8 every=100]] y",
                              store => $store, metadata => { n => "$_" },
                              stream => $_ % 2 ? $true : $false) } 1 .. 10;
    my %ids;

    for my $n (1 .. 10) {
        my $c = $all[$n - 1];
        ok($c->wait(20), "$tag, $n: answered");
        my $d = $n % 2 ? ($r->events($c))[-1]{response} : decode_json($c->body);
        is(text($d), 'tok ' x 8, "$tag, $n: the text") or diag($c->body);
        is($d->{metadata}{n}, $n, "$tag, $n: its own");
        $ids{$d->{id}} = $d;
    }

    is($s->calls($tag), 1, "$tag: one call");

    if ($store) {
        is(scalar keys %ids, 10, 'ten responses');
        is($r->get($_)->status, 200, 'each is there') for keys %ids;
    }
}


# who leaves a stream leaves the run to the others, the last one ends it

my $plan = '[[mock tag=left tokens=100 every=100]] z';
my @two = map { $r->start($plan, stream => $true) } 1, 2;
ok($_->wait(10, qr/output_text\.delta/), 'it flows') for @two;
my ($first) = $two[0]->body =~ /"id":"(resp_\w{24})"/;
$two[0]->close;
$s->wait_for(5, sub {
    decode_json($r->get($first)->body)->{status} eq 'cancelled'
}, 'who left is cancelled');
my $seen = length $two[1]->body;
ok($two[1]->wait(5, sub { length($_[0]->body) > $seen + 500 }),
   'the other reads on');
is($s->mock_calls('left')->{aborted}, 0,
   'the call goes on');
$two[1]->close;
$s->wait_for(10, sub {
    $s->mock_calls('left')->{aborted} == 1
}, 'until the last one has left');


# in the background nobody needs to stay

$c = $r->start('[[mock tag=stays tokens=10 every=100]] z', background => $true,
               stream => $true);
ok($c->wait(10, qr/output_text\.delta/), 'it flows');
@events = $r->events($c);
$id = $events[0]{response}{id};
$c->close;
$r->ends($id, 'completed');
my @rest = $r->events($r->get($id, query => '?stream=true&starting_after='
                                           . $events[-1]{sequence_number}));
is($r->text(@events, @rest), 'tok ' x 10, 'and the rest is read later');
$r->growing('both', @events, @rest);


# too slow: it is a response, and goes on

$c = $r->create('[[mock tag=slow delay=3500]] z', at => '/short');
is($c->status, 504, 'too slow');
my ($job) = $c->header('X-Weir-Job') =~ /^job_(\w+)$/;
$r->ends("resp_$job", 'completed');

$c = $r->create('[[mock tag=slow delay=3500]] zz', at => '/short',
                stream => $true);
@events = $r->events($c);
is($events[-1]{type}, 'error', 'too slow, as a stream');
$id = $events[0]{response}{id};
like($events[-1]{error}{message}, qr/$id/, 'it says where to look');
$r->ends($id, 'completed');


# limits: what is answered from the cache costs no tokens

sub left { $_[0]->header('x-ratelimit-remaining-tokens') }

my @charged = map { $r->create('[[mock tag=limit]] z', at => '/charged',
                               max_output_tokens => 1000,
                               metadata => { n => "$_" }) } 1 .. 5;
is_deeply([map { $_->status } @charged], [(200) x 5], 'within the limit');
is($s->calls('limit'), 1, 'one call');
cmp_ok(left($charged[0]), '<=', 9000, 'max_output_tokens are reserved');

$c = $r->create('[[mock tag=limit]] zz', at => '/charged',
                max_output_tokens => 1000);
cmp_ok(left($c), '>=', left($charged[0]) - 1100, 'hits cost nothing');

$c = $r->create('z', at => '/charged', max_output_tokens => 20000);
is($c->status, 429, 'more than there is');
is(decode_json($c->body)->{error}{type}, 'rate_limit_error', 'an error');


# rules of its own

$r->create('[[mock tag=ttl]] z', at => '/ttl') for 1, 2;
is($s->calls('ttl'), 2, 'weir_cache_ttl 0 route=responses');

$s->end;
done_testing();

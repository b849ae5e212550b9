# The Prefer header: what is understood, what is passed over, and that it never
# makes an error.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    server => 'location /short/ { weir_api; weir_max_wait 1s; }');

$stack->start('redis', 'nginx');

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';


sub submit {
    my ($path, @prefer) = @_;

    return $stack->ask($path, body => $job,
                       headers => [map { "Prefer: $_" } @prefer]);
}


# at once: nobody works, so that every wait would take its time

for ([], ['respond-async'], ['PREFER'], ['Respond-Async; x=1, foo'],
     ['foo, bar="a, wait=9", respond-async'], ['wait=0'], ['wait="0"'],
     ['wait=-1'], ['wait=x'], ['wait='], ['wait'], ['wait=8.5'],
     ['wait="'], ['wait = 0'], ['wait=0, wait=9'], ['wait=0', 'wait=9'],
     [','], [''], [' , ,, '], ['waiting=9'], ['return=minimal'],
     ['handling=strict; wait=9'], ["\xc3\xa4"], ['x' x 3000], ['="9"'],
     ['"wait=9"'], ['a="\\"', 'b'], ['wait=+9'], ['wait=9x'])
{
    my $name = join ' | ', map { substr $_, 0, 40 } @$_;
    my $c = submit('/v1/jobs', @$_);

    is($c->status, 202, "'$name': 202");
    cmp_ok($c->elapsed, '<', 5, "'$name': at once");
    is($c->header('Retry-After'), 1, "'$name': Retry-After");

    my $id = decode_json($c->body)->{id};
    is($c->header('Location'), "/v1/jobs/$id", "'$name': Location");
    is($c->header('Preference-Applied'),
       $name =~ /respond-async/i ? 'respond-async' : undef,
       "'$name': what was applied");
}


# waiting, all of them at the same time

my %held;

for my $value ('wait=1', 'wait="1"', 'WAIT=1', 'wait=1;x=y', 'foo, wait=1',
               'respond-async, wait=1', 'Wait = 1')
{
    $held{$value} = $stack->request('/v1/jobs', body => $job,
                                    headers => ["Prefer: $value"]);
}

$held{'two lines'} = $stack->request('/v1/jobs', body => $job,
    headers => ['Prefer: foo=1', 'prefer: wait=1']);
$held{'clamped'} = $stack->request('/short/v1/jobs', body => $job,
    headers => ['Prefer: wait=9']);
$held{"clamped, $_"} = $stack->request('/short/v1/jobs', body => $job,
                                       headers => ["Prefer: wait=$_"])
    for '1e9', '1000000000', '99999999999999999999999999';

# that is no number, so nobody waits

my $at_once = delete $held{'clamped, 1e9'};

$at_once->wait(5);
is($at_once->status, 202, 'wait=1e9 is passed over');
cmp_ok($at_once->elapsed, '<', 5, 'at once');

ok(Weir::Client::wait_all(9, values %held), 'all waits end');

for (sort keys %held) {
    my $c = $held{$_};

    is($c->status, 202, "$_: 202");
    cmp_ok($c->elapsed, '>', 0.9, "$_: waited");
    cmp_ok($c->elapsed, '<', 5, "$_: no longer");
    is(decode_json($c->body)->{status}, 'queued', "$_: as it is");
}


# a poll waits too, and a cancellation does not

my $id = decode_json(submit('/v1/jobs')->body)->{id};

my $c = $stack->ask("/v1/jobs/$id", headers => ['Prefer: wait=1']);
is($c->status, 200, 'long poll: 200');
cmp_ok($c->elapsed, '>', 0.9, 'after its time');
is(decode_json($c->body)->{status}, 'queued', 'as it is');

$c = $stack->ask("/v1/jobs/$id", headers => ['Prefer: wait=-1']);
cmp_ok($c->elapsed, '<', 5, 'a bad wait is none');

my $poll = $stack->request("/v1/jobs/$id", headers => ['Prefer: wait=9']);

$c = $stack->ask("/v1/jobs/$id", method => 'DELETE',
                 headers => ['Prefer: wait=9']);
is($c->status, 200, 'cancelled');
cmp_ok($c->elapsed, '<', 5, 'at once');

ok($poll->wait(6), 'who polls is told');
is(decode_json($poll->body)->{status}, 'cancelled', 'that it is cancelled');


# a chat completion is always held

$c = $stack->ask('/short/v1/chat/completions',
                 headers => ['Prefer: respond-async'],
                 body => $job =~ s/^\{"request":(.*)\}$/$1/r);
is($c->status, 504, 'chat: 504 at the end of the wait');
cmp_ok($c->elapsed, '>', 0.9, 'not before');
is(decode_json($c->body)->{error}{code}, 'timeout', 'and says why');
is($c->header('x-should-retry'), 'false', 'not again');
like($c->header('X-Weir-Job'), qr/^job_\w{24}$/, 'under which it goes on');
is($stack->ask('/v1/jobs/' . $c->header('X-Weir-Job'))->status, 200,
   'and can be fetched');

$stack->end;

done_testing();

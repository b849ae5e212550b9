# Idempotency-Key where requests meet: an earlier one was refused, given up,
# too late, or has expired.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    processes => 1,
    worker => 'attempts = 1',
    server => 'location /one/ { weir_api; weir_queue_limit owner=1; }');

$stack->start(qw(redis mock nginx));


sub body {
    my ($text) = @_;

    return encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => $text } ] } });
}


sub submit {
    my ($key, $path, $on) = @_;

    return ($on // $stack)->request($path // '/v1/jobs', body => body('x'),
                                    headers => ["Idempotency-Key: $key"]);
}


sub chat {
    my ($key, $text, $on) = @_;

    return ($on // $stack)->request('/v1/chat/completions',
        headers => ["Idempotency-Key: $key"],
        body => encode_json({ model => 'mock-1', messages => [
            { role => 'user', content => $text } ] }));
}


sub done {
    my ($c) = @_;

    $c->wait(10) or die 'no answer';
    return $c;
}


sub id { decode_json($_[0]->body)->{id} }

sub run_of { 'weir:{0}:run:' . substr $_[0], 4 }

sub entries { $stack->redis('XLEN', 'weir:{0}:ready:normal') // 0 }


# a request finds the reservation of one that is refused, and waits for it;
# meanwhile there is room, and a third one comes

my $first = id(done($stack->request('/one/v1/jobs', body => body('first'))));

$stack->signal('redis', 'STOP');
my @c = map { submit('room', '/one/v1/jobs') } 1 .. 2;
select undef, undef, undef, 0.2;        # both have asked
$stack->signal('redis', 'CONT');

$stack->wait_for(5, sub { grep { $_->wait(0.01) } @c }, 'the refusal');
my ($refused) = grep { $_->done } @c;
my ($waiting) = grep { !$_->done } @c;
is($refused->status, 429, 'there is no room');

$stack->ask("/v1/jobs/$first", method => 'DELETE');
my $c = done(submit('room', '/v1/jobs'));
is($c->status, 202, 'then there is');
is(id(done($waiting)), id($c), 'one job of the key');
is(entries(), 2, 'and the first');


# a submission that came too late: it is there, and will never run

$c = done(submit('late'));
$stack->redis('DEL', 'weir:{0}:request:' . substr id($c), 4);
my $again = done(submit('late'));
is($again->status, 202, 'too late: the same again');
isnt(id($again), id($c), 'is a job of its own');
is($again->header('Idempotent-Replayed'), undef, 'and no replay');


# what expired is asked again, with a time of its own

$c = chat('expired', '[[mock tag=expired]] x');
my ($run) = $stack->wait_for(5, sub {
    my ($new) = grep { $stack->redis('HGET', $_, 'model')
                       && !$stack->redis('HGET', $_, 'keep') }
                @{ $stack->redis('KEYS', 'weir:{0}:run:*') };
    return $new;
}, 'the run');
$stack->redis('HSET', $run, 'deadline', 1000);
$stack->redis('ZADD', 'weir:{0}:deadline', 1000, substr $run, 13);
$stack->start('worker');
is(done($c)->status, 504, 'it expires');
like($c->body, qr/job_expired/, 'and says so');
$c = done(chat('expired', '[[mock tag=expired]] x'));
is($c->status, 200, 'the same key: asked again');


# An edge that does not know whether its submission arrived answers 503, and
# cancels as soon as it can.  Another has told the job meanwhile.

my $d = $stack->dir;
my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");
my $edge = Weir::Stack->new(edge_of => $stack, location => 'weir_api;',
    processes => 1, weir_redis => "unix:$d/proxy.sock timeout=1s");
$edge->start('nginx');

for my $name ('job', 'held') {
    my $what = "[[mock tag=$name delay=300]] x";
    my $ask = sub { $name eq 'job' ? submit("given-$name", undef, @_)
                                   : chat("given-$name", $what, @_) };

    $edge->wait_for(10, sub {
        $edge->ask('/v1/jobs')->status == 200
    }, 'the other edge');

    $stack->stop('worker');
    $proxy->rules({ on => 'EXEC', with => 'XADD', lose => 1, times => 1 },
                  { on => 'PING', mute => 1 });
    is(done($ask->($edge))->status, 503, "$name: it does not know");

    my $c = $ask->();
    $c->wait(1);
    $proxy->rules();
    $edge->wait_for(10, sub {
        $edge->ask('/v1/jobs')->status == 200
    }, 'the other edge');
    $stack->start('worker');
    done($c);

    if ($name eq 'held') {
        is($c->status, 200, 'held: the answer');
        is($stack->calls('held'), 1, 'asked once');
        next;
    }

    is($c->status, 202, 'job: 202');
    my $job = $stack->ask('/v1/jobs/' . id($c), headers => ['Prefer: wait=9']);
    is(decode_json($job->body)->{status}, 'completed', 'runs');
}


$edge->stop('nginx');
done_testing();

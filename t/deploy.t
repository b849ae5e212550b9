# Workers are replaced while clients work: nothing is lost, nothing that was
# done is done again, and nobody notices.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;');
$stack->start(qw(redis mock nginx));
my $d = $stack->dir;


# another worker on the same Redis, as on another host

sub another {
    my ($name) = @_;

    my $s = Weir::Stack->new(edge_of => $stack);

    $s->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    name = "$name"
    runners = 2
    slots = 300
    drain_timeout = 4s
    run_dir = "@{[ $s->dir ]}"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

    return $s->start('worker');
}


sub body {
    my ($tag, $plan) = @_;

    return { model => 'mock-1', messages => [
        { role => 'user', content => "[[mock tag=$tag $plan]] x" } ] };
}


sub submit {
    my ($count, $plan, $tag) = @_;

    my @c = map { $stack->request('/v1/jobs', body => encode_json({
                      request => body("$tag$_", $plan) })) } 1 .. $count;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub fins {
    my %n;

    $n{($stack->redis('HGET', "weir:{0}:run:$_", 'fin') // 'none') =~ s/:.*//r}++
        for @_;

    return \%n;
}


sub open_calls { $stack->mock_calls->{open} }


# 500 in hand; half of them can be finished in time, the others go back

my $one = another('a');
my @short = submit(250, 'delay=2000', 's');
my @long = submit(250, 'hang=1 times=1', 'l');
$stack->wait_for(10, sub { open_calls() == 500 }, '500 calls');

my $two = another('b');
is($one->stop('worker'), 0, 'a leaves with status 0');
is_deeply(fins(@short), { completed => 250 }, 'the short ones are completed');

$stack->wait_for(40, sub { (fins(@long)->{completed} // 0) == 250 },
                 'the long ones, by b');

is(scalar(grep { $stack->calls("s$_") != 1 } 1 .. 250), 0,
   'what was finished was asked once');
is(scalar(grep { $stack->calls("l$_") != 2 } 1 .. 250), 0,
   'what was handed back, once more');
is($stack->redis('ZCARD', 'weir:{0}:deadline'), 0, 'nothing is left');
is($stack->redis('XLEN', 'weir:{0}:ready:normal'), 0, 'no entry');

my $job = decode_json($stack->ask("/v1/jobs/job_$long[0]")->body);
is($job->{attempts}, 1, 'a hand-back is no attempt');


# one after the other is replaced under load: held clients see 200 and nothing
# else, and each question is asked once

my (@open, %status);
my $n = 0;
my @next = (sub { $one = another('c') }, sub { $two->stop('worker') },
            sub { $two = another('d') }, sub { $one->stop('worker') });
my $step = time + 2;

while (@next || time < $step) {
    while (@open < 40) {
        push @open, $stack->request('/v1/chat/completions',
            body => encode_json(body('r' . ++$n, 'delay=' . (100 + $n % 200))));
    }

    $_->wait(0.01) for @open;
    $status{$_->status}++ for grep { $_->done } @open;
    @open = grep { !$_->done } @open;

    if (@next && time > $step) {
        (shift @next)->();
        $step = time + 1;
    }
}

Weir::Client::wait_all(20, @open);
$status{$_->status}++ for @open;

is_deeply(\%status, { 200 => $n }, "$n held requests: all 200");
is(scalar(grep { $stack->calls("r$_") != 1 } 1 .. $n), 0, 'each asked once');

done_testing();

# Submissions whose answer is lost: the client gets 503, and the cancellation
# follows on the same connection or on the next one, until it is acknowledged.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::FakeRedis;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
                             weir_redis => 'timeout=300ms',
                             server => 'location = /readyz { weir_readyz; }
                                        location = /m { weir_metrics; }');

$stack->keys;
my $fake = Weir::FakeRedis->new(path => $stack->dir . '/redis.sock');

$stack->start('nginx');

my $chat = '{"model":"m","messages":[{"role":"user","content":"Hi"}]}';
my $job = qq({"request":$chat});


sub ready {
    $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 },
                     'both connections');
}


sub metric {
    my ($name) = @_;

    return $stack->ask('/m')->body =~ /^\Q$name\E (\d+)/m ? $1 : undef;
}


# the run that the last submission named

sub submitted {
    my ($run) = map { $_->[-1] =~ /\A(00\w{22})\z/ ? $1 : () }
                grep { $_->[0] eq 'ZADD' } $fake->commands;
    return $run;
}


sub lost {
    my ($name, @rules) = @_;

    ready();
    my $before = metric('weir_submissions_abandoned_total');

    $fake->forget;
    $fake->rules(@rules);

    for (['/v1/jobs', $job], ['/v1/chat/completions', $chat]) {
        my ($path, $body) = @$_;

        ready();
        $fake->forget;
        $fake->rules(@rules);

        my $c = $stack->ask($path, body => $body);
        is($c->status, 503, "$name, $path: 503");
        is($c->header('Retry-After'), 1, 'Retry-After');

        my $run = submitted();
        ok($run, 'it was submitted');

        my $cancel = $fake->wait_command(5, 'EXEC', 'cancelled:edge');
        ok($cancel, 'and then cancelled');
        is(scalar(grep { $_ eq "weir:{0}:run:$run" } @{ $cancel // [] }) > 0,
           1, 'the same run');
    }

    $fake->rules;
    is(metric('weir_submissions_abandoned_total') - $before, 2, 'counted');
}


# before the submission's answer, and with it done or not

lost('closed, done', { on => 'EXEC', with => 'XADD', times => 1, done => 1,
                       close => 1 });
lost('closed, not done', { on => 'EXEC', with => 'XADD', times => 1,
                           close => 1 });
lost('silent', { on => 'EXEC', with => 'XADD', times => 1, mute => 1 });
lost('silent, done', { on => 'EXEC', with => 'XADD', times => 1, mute => 1,
                       done => 1 });
lost('MULTI without an answer', { on => 'MULTI', times => 1, mute => 1 });
lost('garbage', { on => 'EXEC', with => 'XADD', times => 1, done => 1,
                  reply => "!\r\n" });


# in the middle of the answer, wherever that is

for my $bytes (1 .. 4, 7, 20) {
    lost("cut after $bytes bytes", { on => 'EXEC', with => 'XADD', times => 1,
                                     cut => $bytes });
}


# the cancellation itself has no luck

for (['error', reply => "-LOADING wait\r\n"], ['nil', reply => "*-1\r\n"],
     ['closed', close => 1], ['cut', cut => 3], ['silent', mute => 1])
{
    my ($name, @what) = @$_;

    ready();
    $fake->forget;
    $fake->rules({ on => 'EXEC', with => 'XADD', times => 1, close => 1 },
                 { on => 'EXEC', with => 'cancelled:edge', times => 2,
                   @what });

    is($stack->ask('/v1/jobs', body => $job)->status, 503,
       "cancellation, $name: 503");

    my $run = submitted();

    $stack->wait_for(15, sub { $fake->count('EXEC', 'cancelled:edge') >= 3 },
                     'a third cancellation');
    is(scalar(grep { !grep { $_ eq "weir:{0}:run:$run" } @$_ }
              grep { $_->[0] eq 'EXEC'
                     && grep { $_ eq 'cancelled:edge' } @$_ }
              $fake->commands), 0, 'all of the same run');
}

ready();
is($stack->redis('HGET', 'weir:{0}:run:' . submitted(), 'fin'),
   'cancelled:edge', 'the run is cancelled in the end');


# once it is acknowledged, nothing more of it is sent with the next re-check of
# held requests, which is when cancellations are tried again

my $held = $stack->request('/v1/jobs', body => $job,
                           headers => ['Prefer: wait=60']);
$fake->forget;
ok($fake->wait_command(5, 'HMGET'), 'a re-check');
is($stack->ask('/v1/jobs/job_00' . 'a' x 22)->status, 404, 'and later');
is($fake->count('EXEC', 'cancelled:edge'), 0, 'no cancellation more');
$held->close;


# Redis refuses: nothing was done, and there is nothing to cancel

$fake->forget;
$fake->rules({ on => 'EXEC', with => 'XADD', times => 1,
               reply => "-OOM no\r\n" });
is($stack->ask('/v1/jobs', body => $job)->status, 503, 'refused: 503');
$fake->rules;
is($stack->ask('/v1/jobs', body => $job)->status, 202, 'then accepted');
is($fake->count('EXEC', 'cancelled:edge'), 0, 'and nothing was cancelled');


# an error inside: some of it was done

$fake->forget;
$fake->rules({ on => 'EXEC', with => 'XADD', times => 1,
               reply => "*2\r\n:1\r\n-WRONGTYPE no\r\n" });
is($stack->ask('/v1/jobs', body => $job)->status, 503, 'half done: 503');
ok($fake->wait_command(5, 'EXEC', 'cancelled:edge'), 'and cancelled');
$fake->rules;


# the client leaves while the submission is under way and gets lost

ready();
$fake->forget;
$fake->rules({ on => 'EXEC', with => 'XADD', times => 1, mute => 1 });
my $c = $stack->request('/v1/jobs', body => $job);
ok($fake->wait_command(5, 'EXEC', 'XADD'), 'submitted');
$c->close;
ok($fake->wait_command(5, 'EXEC', 'cancelled:edge'),
   'cancelled, though the client has left');
$fake->rules;

$stack->end;
$fake->stop;

done_testing();

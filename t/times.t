# run_at and deadline: not before, and not after.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;');

$stack->start;


sub submit {
    my (%more) = @_;

    my $tag = delete $more{tag} // 'x';

    return $stack->ask('/v1/jobs', body => encode_json({
        request => { model => 'mock-1', messages => [
            { role => 'user', content => "[[mock tag=$tag]] Hi" } ] },
        %more }));
}


sub job { decode_json($_[0]->body) }

sub ended {
    my ($id) = @_;

    my $job;
    $stack->wait_for(15, sub {
        $job = job($stack->ask("/v1/jobs/$id"));
        return $job->{status} !~ /queued|in_progress/;
    }, 'the end');

    return $job;
}


# not before

my $at = int(time) + 3;
my $c = submit(tag => 'later', run_at => $at);
is($c->status, 202, 'submitted for later');
my $job = job($c);
is($job->{run_at}, $at, 'its time');
is($job->{status}, 'queued', 'queued');
is($stack->redis('ZCARD', 'weir:{0}:delayed'), 1, 'it waits');
my $now = job(submit(tag => 'now'));
is(ended($now->{id})->{status}, 'completed', 'others go on');
is($stack->calls('later'), 0, 'it has not run');
$job = ended($job->{id});
is($job->{status}, 'completed', 'its time came');
cmp_ok($job->{started_at}, '>=', $at, 'not before');
is($job->{attempts}, 1, 'once');

is(job(submit(run_at => int(time) - 100))->{run_at}, undef,
   'a time that has passed: at once');


# cancelled while it waits

$c = submit(tag => 'never', run_at => int(time) + 2);
my $id = job($c)->{id};
is($stack->ask("/v1/jobs/$id", method => 'DELETE')->status, 200, 'cancelled');
$stack->wait_for(10, sub { !$stack->redis('ZCARD', 'weir:{0}:delayed') },
                 'its time');
$stack->wait_for(10, sub { !$stack->redis('XLEN', 'weir:{0}:ready:normal') },
                 'the entry');
is($stack->calls('never'), 0, 'it never ran');
is(job($stack->ask("/v1/jobs/$id"))->{status}, 'cancelled', 'cancelled');


# not after: waiting for its time, queued, running

my $end = int(time) + 2;
my @late = (
    job(submit(tag => 'd1 delay=20000', deadline => $end)),
    job(submit(tag => 'd2 hang', deadline => $end)),
);
is($late[0]{deadline}, $end, 'the deadline is told');

for my $job (@late) {
    my $is = ended($job->{id});
    is($is->{status}, 'expired', 'expired');
    is($is->{error}{code}, 'job_expired', 'why');
    cmp_ok($is->{finished_at}, '>=', $end, 'not before');
    cmp_ok($is->{finished_at}, '<=', $end + 5, 'and not long after');
}

$stack->stop('worker');
my $queued = job(submit(tag => 'd3', deadline => int(time) + 1));
$stack->start('worker');
my $is = ended($queued->{id});
like($is->{status}, qr/^(expired|completed)$/, 'queued: it ends');

$c = submit(tag => 'd4', run_at => int(time) + 5, deadline => int(time) + 6);
is($c->status, 202, 'both');


# mistakes

for (['run_at', 'soon'], ['run_at', 1.5], ['run_at', -1], ['run_at', 0],
     ['run_at', int(time) + 30 * 86400], ['run_at', undef],
     ['deadline', int(time) - 1], ['deadline', int(time) + 31 * 86400],
     ['deadline', '2030-01-01T00:00:00Z'], ['deadline', []],
     ['deadline', 1e18])
{
    my ($name, $value) = @$_;
    my $c = submit($name => $value);
    my $text = encode_json([$value]);

    is($c->status, 400, "$name $text: 400");
    is(job($c)->{param}, $name, 'it is named');
}

$c = submit(run_at => int(time) + 60, deadline => int(time) + 30);
is($c->status, 400, 'a deadline before run_at: 400');


# what failed and will be tried again says why

$c = submit(tag => 'again status=503 retry-after=2 times=1');
$id = job($c)->{id};
$stack->wait_for(10, sub {
    $job = job($stack->ask("/v1/jobs/$id"));
    return $job->{last_error};
}, 'a failed try');
is($job->{last_error}{code}, 'upstream_error', 'last_error: code')
    or diag explain $job->{last_error};
ok(length $job->{last_error}{message}, 'and message');
is($job->{status}, 'queued', 'queued again');
$job = ended($id);
is($job->{status}, 'completed', 'then completed');
is($job->{attempts}, 2, 'in two tries');
is($job->{error}, undef, 'without an error');


# also to who has waited since; if that cannot be read, the job is told as ever

my $proxy = Weir::RedisProxy->new(path => $stack->dir . '/proxy.sock',
                                  to => $stack->dir . '/redis.sock');
my $edge = Weir::Stack->new(edge_of => $stack, location => 'weir_api;',
    processes => 1,
    weir_redis => 'unix:' . $stack->dir . '/proxy.sock timeout=1s')
    ->start('nginx');

for (['read'], ['refused', reply => "-ERR not now\r\n"],
     ['gone', reply => "*2\r\n*0\r\n*0\r\n"], ['lost', lose => 1],
     ['silent', mute => 1])
{
    my ($how, @rule) = @$_;

    my $held = $edge->request('/v1/jobs', headers => ['Prefer: wait=15'],
        body => encode_json({ request => { model => 'mock-1', messages => [
            { role => 'user', content => "[[mock tag=$how status=503 "
              . 'retry-after=1 times=1]] Hi' }] } }));

    $stack->wait_for(10, sub { $stack->calls($how) == 1 }, "$how: a try");
    $proxy->forget;
    $proxy->rules(@rule ? { on => 'EXEC', with => 'HGETALL', times => 1,
                            @rule } : ());

    ok($held->wait(10), "$how: answered");
    is($held->status, 200, "$how: 200");
    $job = job($held);
    is($job->{status}, 'completed', "$how: completed");
    is($job->{attempts}, 2, "$how: in two tries");
    is($job->{result}{choices}[0]{message}{content}, 'Echo: Hi',
       "$how: the result");

    if (@rule) {
        is($proxy->count('EXEC', 'HGETALL'), 1, "$how: it was asked for");
        is($job->{last_error}, undef, "$how: the rest is not known");

    } else {
        is($job->{last_error}{code}, 'upstream_error', "$how: last_error");
        is($held->body, $stack->ask("/v1/jobs/$job->{id}")->body,
           "$how: as GET shows it");
    }
}

$edge->end;
$stack->end;

done_testing();

# Jobs that share the run of a question: each gets its end, and its own
# webhook; nobody's leaving harms the others, and the last one's ends the run.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Asked;
use Weir::Hold;
use Weir::Receiver;
use Weir::Stack;

my $stack = Weir::Stack->new(worker_more => <<END);
webhook {
    allow = "127.0.0.1"
}
END

$stack->start(qw(redis mock worker));

my $asked = Weir::Asked->new(stack => $stack);
my $hold = Weir::Hold->new(stack => $stack);
my $receiver = Weir::Receiver->new(dir => $stack->dir);


sub open_calls { $stack->mock_calls->{open} }


sub calling {
    my ($n) = @_;

    $stack->wait_for(5, sub { open_calls() == $n }, "$n calls");
}


# heard(): what was said to the workers before this has been looked at

sub heard {
    my $run = $asked->run(unqueued => 1);

    $asked->leave($run, 'nobody');
    $asked->ended($run);
    $asked->told($run);
    $stack->redis('DEL', "weir:{0}:run:$run");
}


# listen_to(MAILBOX): a socket that is subscribed to it

sub listen_to {
    my ($mailbox) = @_;

    my $s = IO::Socket::UNIX->new(Peer => $stack->dir . '/redis.sock')
        or die "redis: $!";

    print $s "*2\r\n\$9\r\nSUBSCRIBE\r\n\$26\r\nweir:mail:$mailbox\r\n";
    $s->flush;
    Weir::Stack::redis_reply($s);

    return $s;
}


sub mail {
    my ($s) = @_;

    local $SIG{ALRM} = sub { die "no mail\n" };
    alarm 10;
    my $message = Weir::Stack::redis_reply($s)->[2];
    alarm 0;

    return $message;
}


# three jobs and one run

my $x = $asked->run(text => '[[mock tag=three delay=300]] Hi', unqueued => 1);
my $url = $receiver->url('ok/three');
my $mailbox = 'mailboxofthetest';
my $inbox = listen_to($mailbox);
my @f = ($asked->job($x, part => 'led', url => "$url-led"),
         $asked->job($x, url => "$url-joined", owner => 'bob'),
         $asked->job($x, mailbox => $mailbox));

$asked->queue($x);
$asked->ended($x, @f);

like($asked->fin($x), qr/^completed:\d+$/, 'the run completed');
is($asked->fin($_), $asked->fin($x), 'a job has its end') for @f;

my ($head, $outcome) = split /\n/, mail($inbox), 2;

like($head, qr/^$f[2] completed:\d+ \d+$/, 'a waiting one is told of its job');
is(decode_json($outcome)->{state}, 'completed', 'with the outcome');

$asked->told($x);
is_deeply($asked->left, [], 'nothing is left');
is($stack->calls('three'), 1, 'one call');
is($stack->metric('jobs_handed_on_total'), 3, 'three were handed on');
is($stack->metric('runs_finished_total{state="completed"}'), 1, 'one run');

$hold->settled($x);
is($hold->ledger('alice')->{jobs}, 1, 'one job in the ledger of who led');
is($hold->ledger('bob')->{jobs}, 0, 'none in that of who joined');
is_deeply($hold->left, [], 'nothing is to be settled');
ok($stack->redis('TTL', "weir:{0}:run:$_") > 0
   && $stack->redis('TTL', "weir:{0}:job:$_") > 0, 'records have their time')
    for $x, @f;

# their webhooks

for my $name (qw(led joined)) {
    $stack->wait_for(5, sub { () = $receiver->got("three-$name") },
                     "webhook of $name");

    my ($got) = $receiver->got("three-$name");
    my $hook = decode_json($got->{body});
    my $job = $hook->{data};
    my $f = $f[$name eq 'led' ? 0 : 1];

    is($hook->{type}, 'job.completed', "$name: type");
    is($job->{id}, "job_$f", "$name: id");
    is($job->{result}{id}, "chatcmpl-$x", "$name: the run's completion");
    like($job->{result}{choices}[0]{message}{content}, qr/./, "$name: text");
    is($job->{attempts}, 1, "$name: attempts");
    ok($job->{started_at}, "$name: started");
    ok(!$job->{cached}, "$name: not cached");
}

# the answer

my $a = $asked->answer($x);

is($a->{run}, $x, 'answer: run');
is("completed:$a->{token}", $asked->fin($x), 'answer: token');
is($a->{kind}, 'answer', 'answer: kind');
is($a->{fresh} - $a->{finished}, 3600_000, 'answer: fresh');
is($a->{stale_while}, $a->{fresh}, 'answer: no stale window');
is($a->{owner}, 'alice', 'answer: owner');
is($a->{labels}, 'class:c', 'answer: labels');
is(decode_json($a->{outcome})->{state}, 'completed', 'answer: outcome');
is($a->{created}, $stack->redis('HGET', "weir:{0}:run:$x", 'created'),
   'answer: created');

my $ttl = $stack->redis('PTTL', 'weir:{0}:answer:' . $asked->question($x));
ok($ttl > 3500_000 && $ttl <= 3600_000, 'answer: its life');
is_deeply($stack->redis('ZRANGE', 'weir:{0}:answers', 0, -1),
          [$asked->question($x)], 'answer: in the index');


# what is kept is what the policy says

for my $row (['status=400', '3600 0 0 0 0 0', undef],
             ['status=400', '3600 0 0 60 0 0', 'failed', 60],
             ['finish=length', '3600 0 0 0 0 0', undef],
             ['finish=length', '3600 50 0 0 5 7', 'truncated', 50, 5, 7],
             ['finish=content_filter', '1 1 0 1 0 0', undef],
             ['finish=content_filter', '0 0 9 0 0 0', 'refusal', 9],
             ['', '0 9 9 9 0 0', undef],
             ['', 'nonsense', undef],
             ['', '100 0 0 0 10 20', 'answer', 100, 10, 20])
{
    my ($plan, $policy, $kind, $fresh, $while, $error) = @$row;
    my $run = $asked->run(text => "[[mock $plan]] $policy", policy => $policy);

    $asked->ended($run);
    $a = $asked->answer($run);
    is($a->{kind}, $kind, "$plan, $policy: " . ($kind // 'not kept'));
    next if !$kind;

    is(($a->{fresh} - $a->{finished}) / 1000, $fresh, 'fresh');
    is(($a->{stale_while} - $a->{fresh}) / 1000, $while // 0, 'stale, while');
    is(($a->{stale_error} - $a->{fresh}) / 1000, $error // 0, 'stale, error');
}

is($stack->metric("answers_stored_total{outcome=\"$_\"}"), {
   answer => 2, truncated => 1, refusal => 1, failed => 1 }->{$_}, "metric: $_")
    for qw(answer truncated refusal failed);


# a run that fails: so do they, and none of them is a dead letter

$x = $asked->run(text => '[[mock status=400]] no', unqueued => 1);
@f = map { $asked->job($x) } 1 .. 2;
$asked->queue($x);
$asked->ended(@f);
like($asked->fin($_), qr/^failed:\d+$/, 'failed with its run') for @f;
$asked->told($x);


# who has an end of his own keeps it; who asks for another is left alone

$x = $asked->run(unqueued => 1);
@f = map { $asked->job($x) } 1 .. 3;
$stack->redis('HSET', "weir:{0}:run:$f[0]", fin => 'cancelled:owner');
$stack->redis('HSET', "weir:{0}:job:$f[1]", run => $asked->id);
$asked->queue($x);
$asked->ended($f[2]);
$asked->told($x);
is($asked->fin($f[0]), 'cancelled:owner', 'cancelled before');
is($asked->fin($f[1]), undef, 'another one\'s');
$stack->redis('ZREM', 'weir:{0}:asked', @f);


# one leaves, the other stays; then nobody is left

$x = $asked->run(text => '[[mock hang tag=left]] Hi', unqueued => 1);
@f = map { $asked->job($x) } 1 .. 2;
$asked->queue($x);
calling(1);

$asked->leave($x, $f[0]);
$stack->redis('HSET', "weir:{0}:run:$f[0]", fin => 'cancelled:owner');
heard();
is(open_calls(), 1, 'one has left, the run goes on');
is($asked->fin($x), undef, 'and has no end');

my $before = $stack->metric('runs_left_total');
$asked->leave($x, $f[1]);
my $start = time;
calling(0);
ok(time - $start < 1, 'the last one has left: the call is closed');
is($asked->fin($x), 'cancelled:left', 'the run is cancelled');
is($asked->fin($f[1]), undef, 'and nobody else');
ok($stack->metric('runs_left_total') > $before, 'metric: left');
$asked->told($x);
$stack->redis('ZREM', 'weir:{0}:asked', @f);


# a request without a job wants it too

$x = $asked->run(text => '[[mock hang tag=jobless]] Hi', unqueued => 1,
                 until => $asked->now + 60_000, mailbox => $mailbox);
@f = $asked->job($x);
$asked->queue($x);
calling(1);
$asked->leave($x, $f[0]);
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'left', run => 'x');
heard();
is($asked->fin($x), undef, 'a mailbox is left');
$asked->leave($x, $mailbox);
calling(0);
is($asked->fin($x), 'cancelled:left', 'nobody is left');
$stack->redis('ZREM', 'weir:{0}:asked', @f);
$asked->told($x);


# nobody needs to look at a run again that somebody wants

$x = $asked->run(text => '[[mock hang tag=wanted]] Hi', unqueued => 1);
@f = map { $asked->job($x) } 1 .. 2;
$asked->queue($x);
calling(1);
$stack->redis('ZADD', 'weir:{0}:ended', $asked->now, $x);
$stack->wait_for(5, sub {
    $stack->redis('ZSCORE', 'weir:{0}:ended', $x) > $asked->now + 500_000
}, 'it is put off');
is($asked->fin($x), undef, 'it goes on');

$stack->redis('ZREM', "weir:{0}:askers:$x", $f[0]);
$stack->redis('ZADD', 'weir:{0}:ended', 'XX', $asked->now, $x);
$stack->wait_for(5, sub {
    $stack->redis('ZSCORE', 'weir:{0}:ended', $x) > $asked->now + 500_000
}, 'one has left: put off again');

$stack->redis('ZREM', "weir:{0}:askers:$x", $f[1]);
$stack->redis('ZADD', 'weir:{0}:ended', 'XX', $asked->now, $x);
calling(0);
is($asked->fin($x), 'cancelled:left', 'the last one has left');
$asked->told($x);
$stack->redis('ZREM', 'weir:{0}:asked', @f);


# deadlines

$x = $asked->run(text => '[[mock hang tag=late]] Hi', unqueued => 1);
@f = ($asked->job($x, deadline => $asked->now + 300, url => "$url-late"),
      $asked->job($x, deadline => $asked->now + 1500));
$asked->queue($x);
$asked->ended($f[0]);
is($asked->fin($f[0]), 'expired:reaper', 'past its deadline');
$asked->ended($f[1], $x);
is($asked->fin($f[1]), 'expired:reaper', 'the other one, too');
is($asked->fin($x), 'cancelled:left', 'then nobody wants it');
calling(0);
$stack->wait_for(5, sub { () = $receiver->got("three-late") }, 'webhook');
is(decode_json(($receiver->got('three-late'))[0]{body})->{type},
   'job.expired', 'its webhook');

# those whose run was expired or is void get its end

$x = $asked->run(unqueued => 1, deadline => $asked->now + 200);
@f = $asked->job($x);
$asked->ended(@f);
is($asked->fin($f[0]), 'expired:reaper', 'expired with its run');

$x = $asked->run(unqueued => 1, void => 1);
@f = ($asked->job($x, part => 'led', url => "$url-void"), $asked->job($x));
$asked->queue($x);
$asked->told($x);
is($asked->fin($f[0]), 'cancelled:late', 'void: who led');
is($asked->fin($f[1]), undef, 'void: who joined asks again');
$stack->redis('ZREM', 'weir:{0}:asked', @f);
is(scalar(() = $receiver->got("three-void")), 0, 'void: no webhook');


# jobs that came too late: nobody was told of them

sub unheard {
    my ($name) = @_;

    $stack->wait_for(5, sub { !$stack->redis('ZCARD', 'weir:{0}:hooks') },
                     'all webhooks are sent');
    is(scalar(() = $receiver->got("three-$name")), 0, "$name: no webhook");
}

$x = $asked->run(unqueued => 1);
@f = ($asked->job($x, void => 1, url => "$url-handed"), $asked->job($x));
$asked->queue($x);
$asked->ended($x, @f);
is($asked->fin($f[0]), 'cancelled:late', 'handed: it is void');
like($asked->fin($f[1]), qr/^completed:/, 'handed: the other one is not');
$asked->told($x);
unheard('handed');

$x = $asked->run(absent => 1);
@f = $asked->job($x, void => 1, url => "$url-absent");
$stack->redis('ZADD', 'weir:{0}:ended', $asked->now, $x);
$asked->ended(@f);
is($asked->fin($f[0]), 'cancelled:late', 'absent: it is void');
$asked->told($x);
unheard('absent');

# they are looked at before their deadline, once, and those in time are not ended

$x = $asked->run(text => '[[mock hang tag=look]] Hi', unqueued => 1);
my $far = $asked->now + 3000_000;
@f = ($asked->job($x, void => 1, look => $asked->now, url => "$url-looked"),
      $asked->job($x, look => $asked->now, deadline => $far),
      $asked->job($x, void => 1, look => $asked->now, part => 'led'));
$asked->queue($x);
calling(1);
$asked->ended(@f[0, 2]);
is($asked->fin($_), 'cancelled:late', 'looked: it is void') for @f[0, 2];
$stack->wait_for(5, sub {
    $stack->redis('ZSCORE', 'weir:{0}:asked', $f[1]) == $far
}, 'looked: the next time at its deadline');
is($asked->fin($f[1]), undef, 'looked: which was in time');
is(join(' ', @{ $stack->redis('ZRANGE', "weir:{0}:askers:$x", 0, -1) }), $f[1],
   'looked: and asks alone');
is($asked->fin($x), undef, 'looked: the run goes on');
unheard('looked');

$stack->redis('DEL', "weir:{0}:request:$f[1]");
$stack->redis('ZADD', 'weir:{0}:asked', $asked->now, $f[1]);
calling(0);
is($asked->fin($f[1]), 'cancelled:late', 'looked: the last one is void');
is($asked->fin($x), 'cancelled:left', 'looked: nobody wants the run');
$asked->told($x);


# a run that is not there: in a minute nobody expects it any more

$x = $asked->run(absent => 1);
@f = ($asked->job($x, created => $asked->now - 61_000),
      $asked->job($x));
$stack->redis('ZADD', 'weir:{0}:ended', $asked->now, $x);
$asked->ended($f[0]);
is($asked->fin($f[0]), 'cancelled:late', 'no run: not for ever');
is($asked->fin($f[1]), undef, 'no run: it may come');
is($stack->redis('ZCARD', "weir:{0}:askers:$x"), 1, 'no run: one waits');
$stack->redis('DEL', "weir:{0}:askers:$x", 'weir:{0}:asked');
$stack->redis('ZADD', 'weir:{0}:ended', $asked->now, $x);
$asked->told($x);

# what does not belong there

$stack->redis('ZADD', 'weir:{0}:ended', 0, 'nonsense');
$stack->redis('ZADD', 'weir:{0}:asked', 0, 'nonsense');
$stack->wait_log('worker', qr/ended_invalid member=nonsense/, 5);
$stack->wait_log('worker', qr/deadline_invalid member=nonsense/, 5);
$stack->redis('DEL', 'weir:{0}:ended', 'weir:{0}:asked', 'weir:{0}:open:alice',
              'weir:{0}:open:bob');
$stack->wait_for(5, sub {
    @{ $stack->redis('KEYS', 'weir:{0}:ready:*') }
    && !grep { $stack->redis('XLEN', $_) }
            @{ $stack->redis('KEYS', 'weir:{0}:ready:*') };
}, 'empty queues');

is($stack->stop('worker'), 0, 'the worker left');
$stack->end;

done_testing();

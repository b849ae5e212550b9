# A job that follows a run, leads one, or is answered from what is stored, and
# whose transaction Redis executes too late, or in time while its answer is lost:
# the client was told 503, or nothing since the edge was killed, and so there is
# no such job, no webhook, and nobody for whom the run goes on.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Fleet;
use Weir::Receiver;
use Weir::Stack;

my $SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my %o = (processes => 1, http => 'weir_webhook_allow 127.0.0.0/8;',
         location => 'weir_queue_limit total=1000 owner=1000;
                      weir_max_wait 1s;');

my $stack = cached_stack(%o, worker => 'attempts = 1',
    worker_more => "webhook {\n    allow = \"127.0.0.0/8\"\n}\n");
$stack->start;

# the one that is killed, and whose Redis is slow

my $edge = another_edge($stack, %o,
                        server => 'location = /readyz { weir_readyz; }');
my $proxy = Weir::Fleet::behind_proxy($edge, 'timeout=800ms');

my $receiver = Weir::Receiver->new(dir => $stack->dir);


sub redis { return $stack->redis(@_) }


sub hooked {
    my ($of, $text, $name) = @_;

    return job($of, $text, with => { webhook => {
        url => $receiver->url("ok/$name"), secret => $SECRET } });
}


sub id_of { return decode_json($_[0]->body)->{id} =~ s/^job_//r }


sub status {
    return decode_json($stack->ask("/v1/jobs/job_$_[0]")->body)->{status};
}


# sent(PART): the job of that part, its run, and up to when it may arrive

sub sent {
    my ($part) = @_;

    my $c = $proxy->wait_command(10, 'EXEC', $part) or die "no $part job\n";
    my ($f, $x, $by);

    for my $i (0 .. $#$c) {
        next if $c->[$i] !~ /^weir:\{0\}:job:(\w{24})$/;
        $f = $1 if $c->[$i + 1] eq 'part' && $c->[$i + 2] eq $part;
    }

    for my $i (0 .. $#$c) {
        $x = $c->[$i + 6] if $c->[$i] eq "weir:{0}:job:$f"
                             && $c->[$i + 5] eq 'run';
        $by = $c->[$i + 1] if $c->[$i] =~ /^(?:PXAT|weir:\{0\}:job:$f)$/
                              && $c->[$i + 1] =~ /^\d{13}$/;
    }

    return ($f, $x, $by);
}


# due(F): when its webhook would be sent

sub due {
    my ($f) = @_;

    my $c = $proxy->wait_command(1, 'EXEC', 'hit');

    for my $i (0 .. $#$c - 3) {
        return $c->[$i + 2] if $c->[$i] eq 'weir:{0}:hooks'
                               && $c->[$i + 3] =~ /:$f$/;
    }

    return 0;
}


# The time up to which it may arrive is over, by Redis's clock.

sub past {
    my ($by) = @_;

    $stack->wait_for(5, sub {
        my ($s, $us) = @{ redis('TIME') };
        return $s * 1000 + int($us / 1000) > $by;
    }, 'the time is over');
}


# nobody(NAME, F, X): no trace of the job that anybody would act on

sub nobody {
    my ($name, $f, $x) = @_;

    $stack->wait_for(15, sub {
        !redis('ZCARD', 'weir:{0}:hooks')
        && !defined redis('ZSCORE', 'weir:{0}:asked', $f)
        && !defined redis('ZSCORE', "weir:{0}:askers:$x", $f)
    }, "$name: nothing is to be done");

    is(scalar(() = $receiver->got($name)), 0, "$name: no webhook");

    my $c = $stack->ask("/v1/jobs/job_$f");
    ok($c->status == 404
       || decode_json($c->body)->{status} eq 'cancelled',
       "$name: no job, or cancelled") or diag($c->body);

    my $list = decode_json($stack->ask('/v1/jobs?limit=100')->body);
    is(scalar(grep { $_->{id} eq "job_$f" } @{ $list->{data} }), 0,
       "$name: not listed");

    # where the edge is gone, its ticket lapses

    $stack->wait_for(15, sub {
        my @open = map { @{ redis('ZRANGEBYSCORE', $_, time * 1000 + 60_000,
                                  '+inf') } }
                   @{ redis('KEYS', 'weir:{0}:open:*') };
        return !grep { $_ eq $f } @open;
    }, "$name: it is not counted");
}


# A run that takes a while, so that it can be followed

sub text_of {
    my ($name, $part) = @_;

    return "[[mock tag=$name" . ($part eq 'hit' ? '' : ' delay=1500') . ']] Hi';
}


# What there must be before: a run in flight, or an answer

sub before {
    my ($part, $text) = @_;

    if ($part eq 'joined') {
        my $c = job($stack, $text);
        ask_all(5, $c);
        return id_of($c);
    }

    if ($part eq 'hit') {
        ask_all(10, chat($stack, $text));
    }

    return;
}


my %fin = (killed => 'cancelled:late', lost => 'cancelled:late',
           given_up => 'cancelled:edge');


sub works {
    $edge->start('nginx') if !$edge->alive('nginx');
    $stack->wait_for(10, sub { $edge->ask('/readyz')->status == 200 },
                     'the edge works');
    $proxy->forget;
}


# How the client comes to have no job.  killed: the edge dies with it sent.  lost:
# it says 503, and cannot cancel before it dies.  given_up: it cancels, and then
# the transaction is executed.

sub late {
    my ($part, $how) = @_;

    my $name = "$part-$how";
    my $text = text_of($name, $part);

    works();
    my $leader = before($part, $text);

    $proxy->rules({ on => 'EXEC', with => $part, times => 1, hold => 'last' },
                  $how eq 'given_up' ? () :
                  { on => 'EXEC', with => 'cancelled:edge',
                    reply => "-LOADING wait\r\n" });

    my $c = hooked($edge, $text, $name);
    my ($f, $x, $by) = sent($part);

    if ($how ne 'killed') {
        $c->wait(5);
        is($c->status, 503, "$name: 503");
    }

    if ($how eq 'given_up') {
        $stack->wait_for(5, sub {
            (redis('HGET', "weir:{0}:run:$f", 'fin') // '') eq 'cancelled:edge'
        }, "$name: it is cancelled");

    } else {
        $edge->signal('nginx', 'KILL');
    }

    past($by);
    $proxy->rules;

    my ($list) = @{ redis('KEYS', 'weir:{0}:jobs:*') };
    $stack->wait_for(5, sub { defined redis('ZSCORE', $list, $f) },
                     "$name: executed");
    nobody($name, $f, $x);

    if ($part eq 'hit') {
        is(redis('EXISTS', "weir:{0}:job:$f"), 0, "$name: no record");
        is(redis('EXISTS', "weir:{0}:run:$f"), 0, "$name: nor an end");

    } else {
        is(redis('HGET', "weir:{0}:run:$f", 'fin'), $fin{$how},
           "$name: how it ended");
    }

    return ($leader, $x);
}


for my $how (qw(killed lost given_up)) {

    my ($leader) = late('joined', $how);
    $stack->wait_for(10, sub { status($leader) eq 'completed' },
                     "joined-$how: the others have their answer");
    is($stack->calls("joined-$how"), 1, "joined-$how: one call");

    my (undef, $x) = late('led', $how);
    $stack->wait_for(15, sub {
        (redis('HGET', "weir:{0}:run:$x", 'fin') // '') =~ /^cancelled:/
    }, "led-$how: the run is void");
    is($stack->calls("led-$how"), 0, "led-$how: no call");

    late('hit', $how);
    is($stack->calls("hit-$how"), 1, "hit-$how: the one that was stored");
}


# It does not wait for the run's end, nor keeps the run going

{
    my $text = '[[mock hang tag=hang]] Hi';

    works();
    my $leader = before('joined', $text);
    $proxy->rules({ on => 'EXEC', with => 'joined', times => 1, hold => 1 });
    my $c = hooked($edge, $text, 'hang');
    my ($f, $x, $by) = sent('joined');
    $edge->signal('nginx', 'KILL');
    past($by);
    $proxy->rules;

    $stack->wait_for(10, sub {
        (redis('HGET', "weir:{0}:run:$f", 'fin') // '') eq 'cancelled:late'
    }, 'hang: it is void');
    nobody('hang', $f, $x);
    like(status($leader), qr/^(?:queued|in_progress)$/, 'hang: the run goes on');

    is($stack->ask("/v1/jobs/job_$leader", method => 'DELETE')->status, 200,
       'hang: its leader leaves');
    $stack->wait_for(10, sub {
        (redis('HGET', "weir:{0}:run:$x", 'fin') // '') eq 'cancelled:left'
    }, 'hang: nobody wants it');
}


# Executed in time, but nobody hears of it: what was given up is undone

for my $part (qw(joined hit)) {
    my $name = "$part-unheard";
    my $text = text_of($name, $part);

    works();
    before($part, $text);
    $proxy->rules({ on => 'EXEC', with => $part, times => 1, lose => 1 });

    my $c = hooked($edge, $text, $name);
    my ($f, $x, $by) = sent($part);
    $c->wait(5);
    is($c->status, 503, "$name: 503");
    cmp_ok(due($f), '>', $by + 5000, "$name: its webhook would wait")
        if $part eq 'hit';
    $stack->wait_for(5, sub {
        (redis('HGET', "weir:{0}:run:$f", 'fin') // '') eq 'cancelled:edge'
    }, "$name: it is cancelled");
    $proxy->rules;
    nobody($name, $f, $x);
}


# Executed too late, while the edge still waits for it

for my $part (qw(joined led hit)) {
    my $name = "$part-just";
    my $text = text_of($name, $part);

    works();
    before($part, $text);
    $proxy->rules({ on => 'EXEC', with => $part, times => 1, hold => 1 });

    my $c = hooked($edge, $text, $name);
    my ($f, $x, $by) = sent($part);
    past($by);
    $proxy->rules;
    $c->wait(5);
    is($c->status, 503, "$name: 503");
    $stack->wait_for(5, sub {
        (redis('HGET', "weir:{0}:run:$f", 'fin') // '') =~ /^cancelled:/
    }, "$name: it is cancelled");
    nobody($name, $f, $x);
}


# and heard of: as ever, and the webhook does not wait

{
    my $text = '[[mock tag=heard]] Hi';
    works();
    before('hit', $text);

    my $start = time;
    my $c = hooked($edge, $text, 'heard');
    ask_all(5, $c);
    is($c->status, 202, 'heard: 202');
    $stack->wait_for(5, sub { () = $receiver->got('heard') }, 'its webhook');
    cmp_ok(time - $start, '<', 4, 'heard: its webhook comes at once');
}


# the wait of a held request is over, and the job that it is to become is late

{
    my $text = '[[mock tag=waited delay=2500]] Hi';
    works();
    $proxy->rules({ on => 'EXEC', with => 'joined', times => 1, hold => 1 });

    my $c = chat($edge, $text);
    my ($f, $x, $by) = sent('joined');
    $edge->signal('nginx', 'KILL');
    past($by);
    $proxy->rules;
    $stack->wait_for(5, sub {
        (redis('HGET', "weir:{0}:run:$f", 'fin') // '') eq 'cancelled:late'
    }, 'waited: it is void');
    nobody('waited', $f, $x);
}

nothing_left($stack);

$edge->end;
$stack->end;
$proxy->stop;

done_testing();

# Trace context (check AP-15): what a request says of its trace goes on to the
# LLM and to webhooks, through nginx, Redis and the worker.  The cases of
# lua-free-tests/unit/trace-cases.txt, through all of it.

use strict;
use warnings;

use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;
use Test::More;
use Weir::Askers qw(cached_stack ask_all question);
use Weir::Receiver;
use Weir::Stack;
use Weir::Tool;

my $ROOT = dirname(dirname(abs_path(__FILE__)));
my $TRACE = 'fedcba9876543210fedcba9876543210';
my $PARENT = 'fedcba9876543210';
my $SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my $stack = cached_stack(
    http => "weir_webhook_allow 127.0.0.0/8;
             log_format ids '\$uri \$weir_trace_id \$weir_span_id';
             access_log ids.log ids;",
    worker => "attempts = 3\n    backoff = 20ms\n    backoff_max = 50ms",
    worker_more => <<'END');
webhook {
    timeout = 1s
    schedule = "50ms 50ms"
    allow = "127.0.0.0/8"
}
provider "silent" {
    base_url = "http://127.0.0.1:MOCK/v1"
    trace = off
}
model "silent-1" { provider = "silent" }
provider "odd" {
    base_url = "RECEIVER"
}
model "odd-1" { provider = "odd" }
END

my $receiver = Weir::Receiver->new(dir => $stack->dir);

$stack->start('redis', 'mock');
$stack->{worker_more} =~ s/MOCK/$stack->{mock_port}/;
$stack->{worker_more} =~ s/RECEIVER/$receiver->url('status\/503\/3\/odd')/e;
$stack->start('worker', 'nginx');

my ($n, %span) = (0);


sub last_call { decode_json($stack->mock('/mock/last')->body) }


# a valid traceparent: trace id, parent id, flags

sub parts {
    my ($value, $name) = @_;

    my @parts = ($value // '') =~ /^00-([0-9a-f]{32})-([0-9a-f]{16})-(\d\d)$/;

    ok(@parts && "$parts[0] " !~ /^0+ / && $parts[1] !~ /^0+$/,
       "AP-15 $name: a valid traceparent") or diag($value // 'none');

    return @parts ? @parts : ('', '', '');
}


# ask(HEADERS...): another question to the LLM; what it was sent

sub ask {
    my (@headers) = @_;

    $n++;
    my $c = $stack->ask('/v1/chat/completions', headers => [@headers],
                        body => question("[[mock tag=t$n]] Question $n"));

    return ($c, last_call()->{headers});
}


# the cases

sub unfold {
    my ($text) = @_;

    $text =~ s/\{(.)\*(\d+)\}/$1 x $2/ge;
    $text =~ s/\\(.)/{ t => "\t", s => ' ' }->{$1} \/\/ $1/ge;

    return $text;
}


sub one_case {
    my ($name, $want, @headers) = @_;

    my ($word, $flags, $state) = $want =~ /^(on|new) (\d\d)(?: (.*))?$/
        or die "$name: $want";
    my ($c, $sent) = ask(@headers);

    is($c->status, 200, "AP-15 $name: 200");

    my ($trace, $span, $got) = parts($sent->{traceparent}, $name);
    my $known = join ' ', @headers;

    is(index($known, $trace) >= 0 ? 'on' : 'new', $word, "$name: $word");
    ok(index($known, $span) < 0 && !$span{$span}++, "$name: another parent");
    is($got, $flags, "$name: flags");
    is($sent->{tracestate}, $state, "$name: tracestate");
}


open my $f, '<', "$ROOT/lua-free-tests/unit/trace-cases.txt" or die "cases: $!";

my ($name, $cases, @headers) = ('', 0);

while (my $line = <$f>) {
    chomp $line;

    if ($line =~ /^= (.*)/) {
        $name = $1;
        $cases++;

    } elsif ($line =~ /^> (.*)/) {
        push @headers, unfold($1);

    } elsif ($line =~ /^< (.*)/) {
        one_case($name, unfold($1), @headers);
        @headers = ();
    }
}

is($cases, 42, 'all cases');


# from the client to the LLM and to a webhook, and in both logs

sub job {
    my ($model, $members, @headers) = @_;

    $n++;
    my $c = $stack->ask('/v1/jobs', headers => ['Prefer: wait=10', @headers],
        body => encode_json({ %$members, request => decode_json(
            question("[[mock tag=t$n]] Job $n", model => $model)) }));

    return decode_json($c->body)->{id};
}


# the end of the run that a job asks for is logged with its trace

sub logged {
    my ($job) = @_;

    my $of = $stack->redis('HGET', "weir:{0}:job:$job", 'run');

    $stack->wait_log('worker',
        qr/event=job_finished job=job_$of .* trace=$TRACE$/m, 5);
}


my @mine = ("traceparent: 00-$TRACE-$PARENT-01",
            'tracestate: acme=one,beta@2=two', 'tracestate: third=3');
my $hook = { url => $receiver->url('status/500/2/hook'), secret => $SECRET };
my $id = job('mock-1', { webhook => $hook }, @mine);

my @call = parts(last_call()->{headers}{traceparent}, 'the call of a job');
is($call[0], $TRACE, 'AP-15 its trace');
is($call[2], '01', 'AP-15 its flags');
is(last_call()->{headers}{tracestate}, 'acme=one,beta@2=two,third=3',
   'AP-15 its tracestate');

$stack->wait_for(10, sub { $receiver->got('hook') == 3 }, 'three deliveries');

my %parents = ($PARENT => 1, $call[1] => 1);

for my $got ($receiver->got('hook')) {
    my @hook = parts($got->{headers}{traceparent}, 'a webhook');

    is($hook[0], $TRACE, 'AP-15 a webhook: the trace');
    is($got->{headers}{tracestate}, 'acme=one,beta@2=two,third=3',
       'AP-15 a webhook: tracestate');
    ok(!$parents{$hook[1]}++, 'AP-15 a webhook: another parent each time');
}

my $run = $id =~ s/^job_//r;

logged($run);

# and so is a try that fails

$n++;
$stack->ask('/v1/chat/completions', headers => \@mine,
    body => question("[[mock tag=t$n status=503 times=1]] Again",
                     model => 'mock-1'));
$stack->wait_log('worker', qr/event=run_put_off .* trace=$TRACE$/m, 5);


my ($span) = $stack->wait_for(5, sub {
    Weir::Stack::slurp($stack->dir . '/ids.log')
        =~ m{^/v1/jobs $TRACE ([0-9a-f]{16})$}m ? $1 : undef;
}, 'the line of the access log');
is(Weir::Tool->new(redis => $stack->dir . '/redis.sock')
       ->json(qw(jobs show), $id)->{trace_id}, $TRACE, 'the tool shows it');
ok(!$parents{$span}, 'the request has an id of its own');
is($stack->redis('HGET', "weir:{0}:run:$run", 'trace'),
   "00-$TRACE-$span-01 acme=one,beta\@2=two,third=3", 'and it is in the run');


# each try of a call has an id of its own

my $failed = $stack->ask('/v1/chat/completions', headers => [@mine],
    body => question('Again', model => 'odd-1'));
my @tries = map { [parts($_->{headers}{traceparent}, 'a try')] }
                $receiver->got('completions');

isnt($failed->status, 200, 'a call that fails');
is(scalar(@tries), 3, 'three times');
is_deeply([map { $_->[0] } @tries], [($TRACE) x 3], 'AP-15 tries: the trace');
ok(!$parents{$_->[1]}++, 'AP-15 tries: other parents') for @tries;


# in a cell: both runners are killed, so that the first call is

my $cell = $stack->request('/v1/chat/completions', headers => [@mine],
    body => question('[[mock tag=cell delay=1000]] Cell'));

$stack->wait_for(10, sub { $stack->calls('cell') == 1 }, 'the call');

my ($killed) = last_call()->{headers}{traceparent};
$stack->kill_child('worker') for 1, 2;
$stack->wait_for(15, sub { $stack->calls('cell') == 2 }, 'the call of a cell');

my @cell = parts(last_call()->{headers}{traceparent}, 'the call of a cell');

is($cell[0], $TRACE, 'AP-15 a cell: the trace');
unlike($killed, qr/$cell[1]/, 'AP-15 a cell: another parent');
is(last_call()->{headers}{tracestate}, 'acme=one,beta@2=two,third=3',
   'AP-15 a cell: tracestate');
cmp_ok($stack->metric('runs_isolated_total'), '>=', 1, 'it was a cell');
ok($cell->wait(10), 'an answer') and is($cell->status, 200, 'a cell: 200');


# a provider that is told nothing

my $silent = job('silent-1', {}, @mine);
is(last_call()->{headers}{traceparent}, undef, 'trace = off: no traceparent');
is(last_call()->{headers}{tracestate}, undef, 'and no tracestate');
logged($silent =~ s/^job_//r);


# a delivery may outlive the records of its job

my $gone = job('mock-1', { webhook => {
    url => $receiver->url('hang/1/kept'), secret => $SECRET } }, @mine);

$stack->wait_for(10, sub { $receiver->got('kept') == 1 }, 'the first try');
$stack->redis('HDEL', 'weir:{0}:run:' . $gone =~ s/^job_//r, 'trace');
$stack->wait_for(10, sub { $receiver->got('kept') == 2 }, 'the second try');
like(($receiver->got('kept'))[1]{headers}{traceparent}, qr/^00-$TRACE-/,
     'AP-15 a webhook: the trace is kept with it');


# who asks the same shares a run: its trace is that of who came first

my $other = '0123456789abcdef0123456789abcdef';
my $shared = '[[mock tag=shared delay=1000]] Shared';
my @asked = map {
    my $c = $stack->request('/v1/jobs',
        headers => ['Prefer: wait=10', "traceparent: 00-$_-$PARENT-00"],
        body => encode_json({ request => decode_json(question($shared)),
            webhook => { url => $receiver->url("ok/$_"), secret => $SECRET } }));

    # the first is with the LLM before the second is asked

    $stack->wait_for(10, sub { $stack->calls('shared') }, 'a call');
    $c;
} $TRACE, $other;

ask_all(10, @asked);
is($stack->calls('shared'), 1, 'two jobs, one call');
like(last_call()->{headers}{traceparent}, qr/^00-$TRACE-/,
     "AP-15 the leader's trace");

for my $trace ($TRACE, $other) {
    my ($got) = $stack->wait_for(10, sub { $receiver->got($trace) }, 'a hook');
    $got = ($receiver->got($trace))[0];
    like($got->{headers}{traceparent}, qr/^00-$trace-/,
         "AP-15 the webhook of each is of its own trace");
}


# RC-19: an answer of the cache says nothing of who came first

for (1 .. 2) {
    my $c = $stack->ask('/v1/chat/completions', body => question($shared));

    like($c->header('Cache-Status'), qr/hit/, 'a hit');
    unlike($c->head . $c->body, qr/$TRACE|traceparent|tracestate/i,
           'RC-19: without a trace');
}


# what others have written to Redis becomes no line of a request

$stack->stop('worker');

my $bad = $stack->request('/v1/chat/completions', headers => [@mine],
                          body => question('[[mock tag=bad]] Bad'));
my ($key) = $stack->wait_for(10, sub {
    my @keys = grep { $stack->redis('HGET', $_, 'trace')
                      && !$stack->redis('HGET', $_, 'fin') }
                    @{ $stack->redis('KEYS', 'weir:*:run:*') };
    return $keys[0];
}, 'the run');

$stack->redis('HSET', $key, 'trace', "00-$TRACE-$PARENT-01 a=1\r\nX-Bad: 1");
$stack->start('worker');
$bad->wait(10);

is($bad->status, 200, 'a bad record');
is(last_call()->{headers}{'x-bad'}, undef, 'no line of its own');
is(last_call()->{headers}{tracestate}, undef, 'no tracestate');

$stack->end;
done_testing;

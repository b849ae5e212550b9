# A request that kills whoever parses it ends as a dead letter, and takes
# nobody with it.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;


sub stack {
    my ($faults, $more, $slots) = @_;

    my $s = Weir::Stack->new(location => 'weir_api;', faults => $faults,
                             worker_conf => '');
    $s->start(qw(redis mock));
    my $d = $s->dir;

    $s->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 1
    slots = @{[ $slots // 300 ]}
    isolation_cpu = 1s
    run_dir = "$d"
    $more
}
log { level = debug }
metrics { listen = "unix:$d/metrics.sock" }
provider "mock" { base_url = "http://127.0.0.1:$s->{mock_port}/v1" }
model "*" { provider = "mock" }
END

    $s->start(qw(worker nginx));
    return $s;
}


sub submit {
    my ($s, @texts) = @_;

    my @c = map {
        $s->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1', messages => [
                { role => 'user', content => $_ }
            ] } }))
    } @texts;

    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub innocent { map { "[[mock delay=$_[0]]] innocent $_." } 1 .. $_[1] }


# the state of each, in few words

sub states {
    my ($s, @runs) = @_;

    my %n;
    $n{ ($s->redis('HGET', "weir:{0}:run:$_", 'fin') // 'none')
        =~ s/:.*//r }++ for @runs;
    return join ', ', map { "$_ $n{$_}" } sort keys %n;
}


sub ended {
    my ($s, $seconds, @runs) = @_;

    $s->wait_for($seconds, sub { states($s, @runs) !~ /none/ },
                 'the end of all');
    return states($s, @runs);
}


sub count { my @n = $_[0]->log('worker') =~ /$_[1]/g; scalar @n }
sub job   { decode_json($_[0]->ask("/v1/jobs/job_$_[1]")->body) }
sub crash { $_[0]->redis('HGET', "weir:{0}:run:$_[1]", 'crash') }
sub calls { $_[0]->mock_calls }
sub open_calls { calls($_[0])->{open} }


# under_way(STACK, N): the runner has N calls; killed(STACK, N): it is killed,
# and a cell has made them again

sub under_way {
    my ($s, $n) = @_;

    $s->wait_for(10, sub { open_calls($s) == $n }, "$n calls");
}


sub killed {
    my ($s, $n) = @_;

    my $before = calls($s)->{total};
    $s->kill_child('worker');
    $s->wait_for(10, sub { calls($s)->{total} == $before + $n },
                 "$n calls of a cell");
}

sub children { split ' ', Weir::Stack::slurp("/proc/$_[0]/task/$_[0]/children") }


# forge(PID, INDEX): an answer for this run, over the cell's own socket, as one
# would send it that has lost its mind

sub forge {
    my ($pid, $index) = @_;

    my ($fd) = sort { $a <=> $b } map { m{/(\d+)$} && $1 }
               grep { (readlink // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";

    my $process = syscall 434, $pid + 0, 0;        # pidfd_open
    my $copy = syscall 438, $process, $fd + 0, 0;  # pidfd_getfd
    die "no way into the cell: $!" if $copy < 0;

    open my $socket, '>&=', $copy or die "cell: $!";
    my $fields = "\0" x 65536;
    syswrite $socket, pack('LLLL', 0x77636c31, 4, $index, length $fields)
                      . $fields;
    POSIX::close($process);
}


sub dead {
    my ($s) = @_;

    return join ' ', map { s/.*://r }
                     @{ $s->redis('ZRANGE', 'weir:{0}:dead', 0, -1) };
}


# one among 200 that are in flight

my $s = stack('', 'hang_timeout = 60s');

my @innocent = submit($s, innocent(1500, 200));
under_way($s, 200);

my ($poison) = submit($s, 'This one is [[poison]].');

is(ended($s, 30, @innocent), 'completed 200', '200 neighbours complete');
is(ended($s, 30, $poison), 'failed 1', 'the poison has failed');
is(dead($s), $poison, 'it alone is a dead letter');
is(crash($s, $poison), 3, 'after three deaths');
is(count($s, qr/event=run_crashed/), 3, 'each of them alone');
is(count($s, qr/event=runner_died/), 1, 'it killed one runner');

is_deeply([grep { defined crash($s, $_) } @innocent], [],
          'no death counts against another');

my $job = job($s, $poison);
is($job->{error}{code}, 'poison', 'its code');
like($job->{error}{message}, qr/killed its process 3 times \(signal 6\)/,
     'its reason');
is($job->{attempts}, 2, 'tried twice by runners');

my @bad = grep {
    my $text = job($s, $innocent[$_ - 1])->{result}{choices}[0]{message}
                   {content} // '';
    $text !~ /innocent $_\.$/;
} 1 .. 200;
is("@bad", '', 'each neighbour has its own answer');

cmp_ok(count($s, qr/event=cell_died/), '<=', 12,
       'halves, not one after the other');


# what a cell is asked of

my ($late) = submit($s, '[[mock delay=0]] after all that.');
is(ended($s, 5, $late), 'completed 1', 'the worker goes on');

my $metrics = do {
    my $c = IO::Socket::UNIX->new(Peer => $s->dir . '/metrics.sock') or die;
    print $c "GET /metrics HTTP/1.0\r\n\r\n";
    local $/;
    <$c>;
};

like($metrics, qr/^weir_worker_runs_poisoned_total 1$/m, 'counted: poison');
like($metrics, qr/^weir_worker_runs_isolated_total 201$/m, 'isolated');
like($metrics, qr/^weir_worker_cell_deaths_total \d+$/m, 'deaths');
like($metrics, qr/^weir_worker_cells 0$/m, 'and no cell is left');

is_deeply($s->redis('ZRANGE', 'weir:{0}:deadline', 0, -1), [],
          'no run without an end');
is($s->redis('XLEN', 'weir:{0}:ready:normal'), 0, 'no entry is left');


# those that loop, or take all memory

@innocent = submit($s, innocent(300, 20));
my ($memory) = submit($s, 'All of it: [[poison memory]]');
@innocent = (@innocent, submit($s, innocent(300, 20)));

is(ended($s, 30, @innocent), 'completed 40', 'memory: neighbours complete');
is(ended($s, 30, $memory), 'failed 1', 'it has failed');
is(dead($s), "$poison $memory", 'as a dead letter');

# a sanitizer allows no limit: there it is the fault that gives up, if its time
# is not over before

my $how = $ENV{ASAN_OPTIONS} ? 'signal (?:6|24)' : 'exit status 70';
like(job($s, $memory)->{error}{message}, qr/3 times \($how\)/,
     'with its reason');

$s->end;

$s = stack('', 'hang_timeout = 5s');

@innocent = submit($s, innocent(300, 19), innocent(6000, 1));
my ($hang) = submit($s, 'For ever: [[poison hang]]');
my @after = submit($s, innocent(300, 20));

is(ended($s, 60, @innocent, @after), 'completed 40',
   'hang: neighbours complete');
is(ended($s, 60, $hang), 'failed 1', 'it has failed');
is(dead($s), $hang, 'as a dead letter');
like($s->log('worker'), qr/event=runner_killed.*no turn/,
     'the watchdog killed its runner');
is(count($s, qr/event=cell_killed/), 0, 'no cell was silent');

$s->end;


# kill -9 of a runner: nobody is to blame

$s = stack('', 'drain_timeout = 3s', 500);

@innocent = submit($s, innocent(1000, 400));
under_way($s, 400);
my $start = time;
$s->kill_child('worker');
$s->wait_for(5, sub { count($s, qr/event=entries_recovered/) },
             'taken back');
cmp_ok(time - $start, '<', 2, 'within two seconds');

is(ended($s, 20, @innocent), 'completed 400', 'all complete, in cells');
is(count($s, qr/event=cell_died/), 0, 'of which none died');

# and again, while they are in cells

@innocent = submit($s, innocent(2000, 100));
under_way($s, 100);
killed($s, 100);
$s->kill_child('worker');
is(ended($s, 20, @innocent), 'completed 100', 'all complete the third time');
is(dead($s), '', 'no dead letter');

# a cancelled run in a cell: its call is closed

@innocent = submit($s, innocent(10000, 2));
($late) = submit($s, innocent(3000, 1));
under_way($s, 3);
killed($s, 3);
is($s->ask("/v1/jobs/job_$_", method => 'DELETE')->status, 200, 'cancelled')
    for @innocent;
$s->wait_for(5, sub { open_calls($s) == 1 }, 'their calls are closed');
is(ended($s, 10, $late), 'completed 1', 'the one beside them goes on');

# a cell that answers for runs which it was never given is not believed

@innocent = submit($s, innocent(2500, 2));
under_way($s, 2);
killed($s, 2);
forge(children((children(($s->children('worker'))[0]))[0]), $_) for 2, 3, 40;
is(ended($s, 10, @innocent), 'completed 2', 'those that it has complete');
is(count($s, qr/event=runner_died/), 5, 'and its runner lives');

# a drain waits for cells, and hands back what takes too long

@innocent = submit($s, innocent(1500, 10));
under_way($s, 10);
killed($s, 10);
is($s->stop('worker'), 0, 'the drain ends well');
is(states($s, @innocent), 'completed 10', 'with what the cell had');

$s->start('worker');
@innocent = submit($s, map { "[[mock tag=drain-$_ hang=1 times=2]]" } 1 .. 10);
under_way($s, 10);
killed($s, 10);
is($s->stop('worker'), 0, 'the next drain ends well');
is(states($s, @innocent), 'none 10', 'with nothing decided');
is(count($s, qr/event=run_handed_back/), 10, 'all is handed back');
$s->wait_for(5, sub { open_calls($s) == 0 }, 'and the cell is gone');
$s->start('worker');
is(ended($s, 20, @innocent), 'completed 10', 'the next worker does it');
is(dead($s), '', 'no dead letter');

$s->end;


# a runner dies after a death was counted: the count stays

$s = stack('crash_counted:kill:1', '');

($poison) = submit($s, 'This one is [[poison]].');
is(ended($s, 30, $poison), 'failed 1', 'the poison has failed');
is(crash($s, $poison), 3, 'three deaths are counted');
is(count($s, qr/event=run_crashed/), 3, 'over the lives of two runners');
is(count($s, qr/event=runner_died/), 2, 'one by poison, one by fault');

$s->end;

# cells die of something else: those in them are not blamed as long as they
# have company, and tried again if not

$s = stack('cell_started:kill:1,cell_started:kill:2', '');

@innocent = submit($s, innocent(1000, 30));
under_way($s, 30);
$s->kill_child('worker');
is(ended($s, 20, @innocent), 'completed 30', 'all complete');
is(count($s, qr/event=cell_died/), 2, 'though two cells died');
is(count($s, qr/event=run_crashed/), 0, 'and nobody is to blame');

# who is left over in a cell that had others is not blamed for its death

@innocent = submit($s, innocent(1200, 1), innocent(2500, 1));
under_way($s, 2);
killed($s, 2);
is(ended($s, 10, $innocent[0]), 'completed 1', 'one is answered');
my @cells = children((children(($s->children('worker'))[0]))[0]);
is(scalar(@cells), 1, 'the other one is in the same cell');
kill 'KILL', @cells;
is(ended($s, 10, $innocent[1]), 'completed 1', 'which may die');
is(count($s, qr/event=cell_died/), 3, 'and did');
is(count($s, qr/event=run_crashed/), 0, 'but nobody is to blame');

# alone it is, but the first time only

($late) = submit($s, innocent(1500, 1));
under_way($s, 1);
killed($s, 1);
kill 'KILL', children((children(($s->children('worker'))[0]))[0]);
is(ended($s, 10, $late), 'completed 1', 'tried alone again');
is(crash($s, $late), 1, 'one death is counted');

# the zygote dies

my @runners = $s->children('worker');
@innocent = submit($s, innocent(1000, 30));
under_way($s, 30);
kill 'KILL', children($runners[0]);
is(ended($s, 20, @innocent), 'completed 30', 'without a zygote, too');
is(count($s, qr/event=zygote_died/), 1, 'another zygote');
isnt(($s->children('worker'))[0], $runners[0], 'of another runner');
is(count($s, qr/event=run_crashed/), 1, 'nobody is to blame');

$s->end;

done_testing();

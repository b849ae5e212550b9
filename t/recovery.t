# A runner is killed with its hands full: every job is finished, soon, and once.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker_conf => '', http => 'weir_result_ttl 10m;');

$stack->start(qw(redis mock));
my $d = $stack->dir;

$stack->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 2
    slots = 300
    lease = 5s
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

$stack->start(qw(worker nginx));


sub body {
    my ($n, $delay) = @_;

    return encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => "[[mock tag=j$n delay=$delay]] n $n." }
    ] } });
}


sub fin { $stack->redis('HGET', "weir:{0}:run:$_[0]", 'fin') }
sub final { scalar grep { defined fin($_) } @_ }


# the runs that all transactions have finished, as the mailboxes heard it

sub submit {
    my ($count, $delay) = @_;

    my @c = map { $stack->request('/v1/jobs', body => body($_, $delay)) }
            1 .. $count;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub calls {
    my $tags = $stack->mock_calls;
    return $tags;
}


# 200 in flight; the runner that has them is killed: by then the mock has all

my @runs = submit(200, 1000);

$stack->wait_for(10, sub { calls()->{open} == 200 }, '200 calls');

my @before = $stack->children('worker');
my $killed = time;
kill 'KILL', @before;

$stack->wait_for(5, sub { calls()->{total} > 200 },
                 'the first one is called again');
cmp_ok(time - $killed, '<', 2, 'recovered within two seconds');

$stack->wait_for(10, sub { final(@runs) == 200 }, 'all of them');

my %state;
$state{ (split /:/, fin($_))[0] }++ for @runs;
is_deeply(\%state, { completed => 200 }, 'all are completed');

my @bad = grep {
    my $job = decode_json($stack->ask("/v1/jobs/job_$runs[$_ - 1]")->body);
    my $text = $job->{result}{choices}[0]{message}{content} // '';
    $text !~ /n $_\.$/ || $job->{attempts} < 1;
} 1 .. 200;
is("@bad", '', 'each with its own answer');

my $counts = calls();
my @tags = map { $counts->{tags}{"j$_"} // 0 } 1 .. 200;
is(scalar(grep { $_ < 1 || $_ > 2 } @tags), 0,
   'the LLM was asked once or twice for each');

# nothing is left over

is_deeply($stack->redis('ZRANGE', 'weir:{0}:deadline', 0, -1), [],
          'no run without an end');
$stack->wait_for(5, sub {
    !grep { $stack->redis('XLEN', "weir:{0}:ready:$_") }
     qw(high normal low);
}, 'all entries are gone');

my %now = map { $_ => 1 } $stack->children('worker');
is(scalar(keys %now), 2, 'two runners again');
is(scalar(grep { $now{$_} } @before), 0, 'new ones');


# with clients who wait: one runner of the two is killed again and again

my @held = map {
    $stack->request('/v1/chat/completions', body => encode_json({
        model => 'mock-1', messages => [
            { role => 'user', content => "[[mock delay=400]] held $_." }] }))
} 1 .. 100;

for (1 .. 3) {
    $stack->wait_for(5, sub { calls()->{open} > 10 }, 'calls');
    $stack->kill_child('worker');
}

ok(Weir::Client::wait_all(20, @held), 'all who wait are answered');
is(scalar(grep { $_->status == 200 } @held), 100, 'with 200');
is(scalar(grep { $held[$_ - 1]->body =~ /held $_\./ } 1 .. 100), 100,
   'and their own answers');


# once: what the transactions wrote

my %fin;

for my $key (@{ $stack->redis('KEYS', 'weir:{0}:outcome:*') }) {
    my ($run) = $key =~ /outcome:(\w+):/;
    my $token = (split /:/, fin($run) // 'x:')[1];
    $fin{$run} += $key =~ /:\Q$token\E$/;
}

is(scalar(grep { $_ != 1 } values %fin), 0, 'one outcome counts for each run');


# again and again: who had work comes back at once, however often it died

my ($long) = submit(1, 60000);
$stack->wait_for(5, sub { calls()->{open} == 1 }, 'a call');

my $slowest = 0;

for (1 .. 10) {
    my $total = calls()->{total};
    my $killed = time;

    kill 'KILL', $stack->children('worker');
    $stack->wait_for(15, sub { calls()->{total} > $total }, 'called again');

    my $took = time - $killed;
    $slowest = $took if $took > $slowest;
}

cmp_ok($slowest, '<', 2, 'each time within two seconds');
is($stack->ask("/v1/jobs/job_$long", method => 'DELETE')->status, 200,
   'cancelled');
$stack->wait_for(5, sub { calls()->{open} == 0 }, 'its call is closed');


# the whole worker is killed, supervisor and all, and another one started

@runs = submit(50, 600);
$stack->wait_for(10, sub { calls()->{open} >= 50 }, '50 calls');
my @children = $stack->children('worker');
$stack->signal('worker', 'KILL');
$stack->wait_for(5, sub { !grep { kill 0, $_ } @children },
                 'runners die with their supervisor');
$stack->start('worker');
$stack->wait_for(10, sub { final(@runs) == 50 }, 'all of them');
is(scalar(grep { fin($_) =~ /^completed:/ } @runs), 50, 'all completed');

$stack->end;

done_testing();

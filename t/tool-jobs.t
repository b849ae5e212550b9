# The tool on jobs, dead letters and the queue of a running system.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new(location => 'weir_api;',
                             worker => 'attempts = 1');
$stack->start;

my $t = Weir::Tool->new(redis => $stack->dir . '/redis.sock');


sub submit {
    my ($text, @headers) = @_;

    my $c = $stack->ask('/v1/jobs', headers => \@headers, body =>
        encode_json({ request => { model => 'mock-1', messages => [
            { role => 'user', content => $text }] } }));

    return decode_json($c->body)->{id};
}


sub job { decode_json($stack->ask("/v1/jobs/$_[0]", @_[1 .. $#_])->body) }
sub ended { job($_[0], headers => ['Prefer: wait=10']) }
sub run_key { 'weir:{0}:run:' . $_[0] =~ s/^job_//r }
sub ids { map { $_->{id} } @{ $_[0] } }


# show: attempts, times, the last error

my $done = submit('Hi');
is(ended($done)->{status}, 'completed', 'a job');

my $doc = $t->json(qw(jobs show), $done);
is_deeply([@$doc{qw(id state owner model class attempts failures deaths
                    last_error retried_as)}],
          [$done, 'completed', 'alice', 'mock-1', 'normal', 1, 0, 0, undef,
           undef], 'jobs show');
like($doc->{decided}, qr/^completed:1000001$/, 'who decided');
cmp_ok(abs($doc->{started} - $doc->{created}), '<', 5000, 'times');
cmp_ok($doc->{finished} - $doc->{started}, '<', 5000, 'times');
is($doc->{outcome}{state}, 'completed', 'the outcome');
$t->ok([qw(jobs show), $done], qr/^outcome +1 choices, /m, qr/\A\z/,
       'as text: not what was answered');
unlike(($t->run(qw(jobs show), $done))[1], qr/Echo/, 'not a word of it');

# what comes first and last

my $bare = $done =~ s/^job_//r;
is($t->json(qw(jobs show), $bare)->{id}, $done, 'the id without job_');
$t->refused([qw(jobs show), 'job_00' . 'a' x 22], 1, qr/it never was/,
            'no such job');


# list

my $failed = submit('[[mock status=400]] Hi');
is(ended($failed)->{status}, 'failed', 'one that failed');

is_deeply([ids($t->json(qw(jobs list --owner alice)))], [$failed, $done],
          'jobs list: the newest first');
is_deeply([ids($t->json(qw(jobs list --owner alice --limit 1)))], [$failed],
          '--limit');
is_deeply([ids($t->json(qw(jobs list --owner alice --status completed)))],
          [$done], '--status');
is_deeply($t->json(qw(jobs list --owner bob)), [], 'of another owner');
is_deeply($t->json(qw(jobs list)), [], 'none is unfinished');
$t->ok([qw(jobs list --owner alice)],
       qr/\A$failed failed +\S+Z normal +1 alice mock-1\n$done completed /,
       qr/\A\z/, 'as text');


# cancel: queued and running; those who wait are told

is($stack->stop('worker'), 0, 'nobody works');
my @queued = map { submit("Nr. $_") } 1 .. 3;
is_deeply([sort(ids($t->json(qw(jobs list))))], [sort @queued],
          'jobs list: all that are unfinished');
is_deeply($t->json(qw(jobs list --status in_progress)), [], 'none runs');

my $waits = $stack->request("/v1/jobs/$queued[0]",
                            headers => ['Prefer: wait=10']);
$stack->wait_for(10, sub {
    $stack->redis('EXISTS', 'weir:{0}:waiting:' . $queued[0] =~ s/^job_//r);
}, 'the client waits');

$t->ok([qw(jobs cancel), $queued[0]], qr/\A\z/, qr/\Acancelled job $queued[0]/,
       'jobs cancel');
ok($waits->wait(1.5), 'who waits is told at once');
is(decode_json($waits->body)->{status}, 'cancelled', 'that it is cancelled');
is($stack->redis('HGET', run_key($queued[0]), 'fin'), 'cancelled:operator',
   'by the operator');
$t->ok([qw(jobs cancel), $queued[0]], qr/\A\z/, qr/\Acancelled /, 'twice');
is(job($queued[1])->{status}, 'queued', 'another is as it was');

$stack->ask("/v1/jobs/$queued[1]", method => 'DELETE');
$t->ok([qw(jobs cancel), $queued[1]], qr/\A\z/, qr/\Acancelled before: /,
       'the owner was first');
$t->refused([qw(jobs cancel), $done], 1, qr/had ended before: completed/,
            'completed');
$t->refused([qw(jobs cancel), 'job_00' . 'b' x 22], 1, qr/it never was/,
            'no such job');

$stack->start('worker');
is(ended($queued[2])->{status}, 'completed', 'the third is done');

my $running = submit('[[mock tag=run delay=20000]] Hi');
$stack->wait_for(10, sub { $stack->calls('run') == 1 }, 'the call');
is($t->json(qw(jobs list --status in_progress))->[0]{id}, $running, 'it runs');
is(($t->run(qw(jobs cancel), $running))[0], 0, 'cancel a running one');
is(job($running)->{status}, 'cancelled', 'cancelled');
$stack->wait_for(5, sub {
    $stack->mock_calls->{open} == 0;
}, 'its call is cut');


# retry: a new job of the same owner; the old one stays as it is

my ($status, $new, $err) = $t->run(qw(jobs retry), $queued[0]);
is($status, 0, 'jobs retry') or diag($err);
like($new, qr/\Ajob_\w{24}\n\z/, 'prints the new id');
chomp $new;
isnt($new, $queued[0], 'another');
my $job = ended($new);
is($job->{status}, 'completed', 'the owner has the new job');
is($job->{result}{choices}[0]{message}{content}, 'Echo: Nr. 1', 'what it asked');
is(job($queued[0])->{status}, 'cancelled', 'the old one is as it was');
is($t->json(qw(jobs show), $queued[0])->{retried_as}, $new, 'retried_as');
is(($t->json(qw(jobs list --owner alice)))->[0]{id}, $new, 'in the list');

$t->refused([qw(jobs retry), $queued[0]], 1, qr/was retried as $new/, 'once');
($status, my $newer) = $t->run(qw(jobs retry --force), $queued[0]);
is($status, 0, '--force');
isnt($newer, "$new\n", 'another one');

$t->refused([qw(jobs retry), $done], 1, qr/completed; --force/, 'completed');
$t->refused([qw(jobs retry --force), $done], 1, qr/asked is gone/,
            'what it asked is gone');
$t->refused([qw(jobs retry), 'job_00' . 'c' x 22], 1, qr/it never was/,
            'no such job');

# Redis has no room: nothing has happened

$stack->redis(qw(CONFIG SET maxmemory 1));
$t->refused([qw(jobs retry), $queued[1]], 1, qr/OOM/, 'no memory');
$stack->redis(qw(CONFIG SET maxmemory 256mb));
is($t->json(qw(jobs show), $queued[1])->{retried_as}, undef, 'no trace of it');


# dead letters

my @dead = map { submit("[[mock status=503 times=1 tag=dead$_]] Nr. $_") }
           1 .. 4;
is(ended($_)->{status}, 'failed', 'tried to the end') for @dead;

is_deeply([sort(ids($t->json(qw(dead list))))], [sort @dead], 'dead list');
is(scalar @{ $t->json(qw(dead list --limit 2)) }, 2, '--limit');
$t->ok([qw(dead list)], qr/^$dead[0] \S+Z 1 tries 0 deaths alice mock-1: \S/m,
       qr/\A\z/, 'as text');

my $dead = $t->json(qw(dead show), $dead[0]);
is_deeply([@$dead{qw(id owner state deaths)}], [$dead[0], 'alice', 'failed', 0],
          'dead show');
like($dead->{reason}, qr/\S/, 'why');
cmp_ok(abs($dead->{buried} - $dead->{finished}), '<', 5000, 'when');
ok(!exists $dead->{request}, 'not what it asked');
unlike(($t->run(qw(dead show), $dead[0]))[1], qr/Nr\. 1/, 'nor as text');
$dead = $t->json(qw(dead show --payload), $dead[0]);
like($dead->{request}{messages}[0]{parts}[0]{text}, qr/Nr\. 1/, '--payload');
like(($t->run(qw(dead show --payload), $dead[0]))[1], qr/^request .*Nr\. 1/m,
     'as text');
$t->refused([qw(dead show), $done], 1, qr/no dead letter/, 'a completed one');
$t->refused([qw(dead show), 'job_00' . 'd' x 22], 1, qr/it never was/,
            'no such job');

# entries that do not tell the truth are removed

my $member = 'weir:{0}:dead';
$stack->redis('ZADD', $member, 1, "9000009:$bare", 2, '1:00' . 'e' x 22,
              3, '7:' . $dead[3] =~ s/^job_//r);
is_deeply([sort(ids($t->json(qw(dead list))))], [sort @dead],
          'a stale entry is not shown');
is($stack->redis('ZCARD', $member), 4, 'but removed');

# retry

my ($before, $after) = do {
    my ($s, $out) = $t->run(qw(dead retry), $dead[0]);
    is($s, 0, 'dead retry');
    split ' ', $out;
};
is($before, $dead[0], 'prints the old id');
is(ended($after)->{status}, 'completed', 'and the new one, which completes');
$t->refused([qw(dead show), $dead[0]], 1, qr/no dead letter/, 'the entry left');
$t->refused([qw(dead retry), $dead[0]], 1, qr/no dead letter/, 'once');

# drop

$t->ok([qw(dead drop), $dead[1]], qr/\A$dead[1]\n\z/, qr/\A\z/, 'dead drop');
is($stack->redis('EXISTS', 'weir:{0}:request:' . $dead[1] =~ s/^job_//r), 0,
   'with what it asked');
$t->refused([qw(jobs retry), $dead[1]], 1, qr/asked is gone/, 'it is gone');
$t->refused([qw(dead drop), $dead[1]], 1, qr/no dead letter/, 'once');

# all

is(scalar @{ $t->json(qw(dead list)) }, 2, 'two are left');
($status, my $out) = $t->run(qw(dead retry --all --yes));
is($status, 0, 'dead retry --all');
my %again = map { split } split /\n/, $out;
is_deeply([sort keys %again], [sort @dead[2, 3]], 'both');
is(ended($_)->{status}, 'completed', 'completed') for values %again;
is_deeply($t->json(qw(dead list)), [], 'none is left');
$t->ok([qw(dead drop --all --yes)], qr/\A\z/, qr/\A\z/, 'of none');


# the queue

my $stats = $t->json(qw(queue stats));
is_deeply([sort keys %$stats], [sort qw(classes paused delayed unfinished dead
    hooks memory_used memory_limit memory_percent consumers)], 'members');
is_deeply([@$stats{qw(unfinished dead paused memory_limit)}],
          [0, 0, JSON::PP::false, 256 * 1024 * 1024], 'queue stats');
is(scalar(grep { $_->{live} } @{ $stats->{consumers} }), 2, 'two live runners');

is($stack->stop('worker'), 0, 'nobody works');
$stack->redis('DEL', $_) for @{ $stack->redis('KEYS', 'weir:{0}:live:*') };
submit("Nr. $_") for 1 .. 5;
$stats = $t->json(qw(queue stats));
is_deeply([@{ $stats->{classes}{normal} }{qw(length pending lag)}], [5, 0, 5],
          'five are waiting');
cmp_ok($stats->{classes}{normal}{oldest_ms}, '>=', 0, 'for some time');
is($stats->{unfinished}, 5, 'unfinished');
is(scalar(grep { $_->{live} } @{ $stats->{consumers} }), 0, 'no live runner');
$t->ok([qw(queue stats)], qr/^normal +5 +0 +5 +\d+\.\ds$/m, qr/\A\z/,
       'as text');
like(($t->run(qw(queue stats)))[1], qr/^consumer +\S+-0 gone, 0 in hand$/m,
     'the runners that are gone');

$t->ok([qw(queue pause)], qr/\A\z/, qr/\Apaused/, 'queue pause');
is($stack->redis('GET', 'weir:{0}:paused'), 1, 'the key');
my ($entry) = @{ $stack->redis(qw(XREVRANGE weir:{0}:control + - COUNT 1)) };
is_deeply($entry->[1], [qw(op queue)], 'workers are told');
$t->ok([qw(queue pause)], qr/\A\z/, qr/\Apaused/, 'twice');
$t->ok([qw(queue pause --wait)], qr/\A\z/, qr/\Apaused/, 'nothing is in hand');
$t->ok([qw(queue stats)], qr/^paused +yes$/m, qr/\A\z/, 'paused');
ok($t->json(qw(queue stats))->{paused}, 'in JSON');

$t->ok([qw(queue resume)], qr/\A\z/, qr/\Aresumed/, 'queue resume');
is($stack->redis('EXISTS', 'weir:{0}:paused'), 0, 'no key');

$stack->start('worker');
$stack->wait_for(10, sub { $t->json(qw(queue stats))->{unfinished} == 0 },
                 'all are done');

# a run in hand keeps --wait waiting

my $slow = submit('[[mock tag=slow delay=20000]] Hi');
$stack->wait_for(10, sub { $stack->calls('slow') == 1 }, 'the call');
($status, $out, $err) = $t->run(qw(queue pause --wait --timeout 1));
is($status, 1, 'pause --wait: in hand');
like($err, qr/\Apaused.*\nweir: .*after 1 seconds 1 runs are in hand\n\z/,
     'says how many');
is(($t->run(qw(jobs cancel), $slow))[0], 0, 'cancelled');
$t->ok([qw(queue pause --wait --timeout 20)], qr/\A\z/, qr/\Apaused/,
       'then it ends');
is(($t->run(qw(queue resume)))[0], 0, 'resumed');

$stack->end;

done_testing();

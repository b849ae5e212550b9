# The tool on kept answers, on jobs that ask for a run, and on what is asked
# beforehand.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new(location => 'weir_api;');
$stack->start;

my $t = Weir::Tool->new(redis => $stack->dir . '/redis.sock');


sub key { "weir:{0}:$_[0]" }
sub now { my ($t) = $stack->redis('TIME'); $t->[0] * 1000 }

# the newest entry of a stream, as words

sub newest {
    my ($entries) = $stack->redis('XREVRANGE', $_[0], '+', '-', 'COUNT', 1);

    return join ' ', @{ $entries->[0][1] };
}

sub spit {
    my ($name, @lines) = @_;

    my $path = $stack->dir . "/$name";
    open my $f, '>', $path or die "$path: $!";
    print {$f} @lines;
    close $f or die "$path: $!";

    return $path;
}


# stats: nothing, then more than a page

is_deeply($t->json(qw(cache stats)),
          { answers => 0, bytes => 0, unreadable => 0, models => [],
            marks => [] }, 'no answers');
$t->ok([qw(cache stats)], qr/\Aanswers +0\nbytes +0\n\z/, qr/\A\z/, 'as text');


sub answer {
    my ($what, $model, $outcome) = @_;

    my $record = join(' ', 'v1', '00' . 'a' x 22, 1000001, (1000) x 5, 3, 4, 5,
                      'answer', 5, length $model, 0, length $outcome)
                 . "\nalice$model$outcome";
    my $question = sha256_hex($what);

    $stack->redis('SET', key("answer:$question"), $record);
    $stack->redis('ZADD', key('answers'), 1000, $question);

    return length $record;
}


my $small = answer('one', 'm1', '{}');
$small += answer("m1-$_", 'm1', '{}') for 1 .. 129;
my $large = answer('two', 'big/model', '{' . ' ' x 20000 . '}');

# one that is over, one of another form, a member that is none

$stack->redis('ZADD', key('answers'), 5, sha256_hex('gone'), 6, 'nonsense');
$stack->redis('SET', key('answer:' . sha256_hex('odd')), 'odd');
$stack->redis('ZADD', key('answers'), 7, sha256_hex('odd'));

is_deeply($t->json(qw(cache stats)),
          { answers => 132, bytes => $small + $large + 3, unreadable => 1,
            models => [
                { model => 'big/model', answers => 1, bytes => $large },
                { model => 'm1', answers => 130, bytes => $small } ],
            marks => [] }, 'answers, by model, the largest first');
my $rows = "unreadable +1\nmodel +1 +$large big/model\nmodel +130 +$small m1\n";
$t->ok([qw(cache stats)], qr{\Aanswers +132\nbytes +\d+\n$rows\z},
       qr/\A\z/, 'as text');


# purge

my $question = sha256_hex('one');
my %mark = (all => 'all', key => "key:$question", owner => 'owner:alice',
            model => 'model:gpt 4', class => 'class:low', tag => 'tag:x');
my $n = 0;

for my $kind (sort keys %mark) {
    my @value = $mark{$kind} =~ /:(.*)/ ? $1 : ();

    my $before = now();
    $t->ok(['cache', 'purge', "--$kind", @value],
           qr/\A\d{4}-\S+Z \Q$mark{$kind}\E\n\z/, qr/\A\z/, "purge --$kind");

    my $at = $stack->redis('ZSCORE', key('marks'), $mark{$kind});
    cmp_ok($at, '>=', $before, 'the mark');
    is($stack->redis('GET', key('purgecount')), ++$n, 'counted');

    is(newest(key('purges')), "mark $mark{$kind} at $at", 'told');
}

cmp_ok($stack->redis('TTL', key('marks')), '>', 2592000,
       'marks outlive answers');
is_deeply([sort map { $_->{mark} } @{ $t->json(qw(cache stats))->{marks} }],
          [sort values %mark], 'marks in force');
like(($t->run(qw(cache stats)))[1], qr/^purged +\d{4}-\S+Z tag:x$/m, 'as text');

# what is void stays void, if the clock was set back

my $ahead = now() + 3600_000;
$stack->redis('ZADD', key('marks'), $ahead, 'tag:later');
$t->ok([qw(cache purge --tag later)], qr/ tag:later\n\z/, qr/\A\z/,
       'a purge that is older than its mark');
is($stack->redis('ZSCORE', key('marks'), 'tag:later'), $ahead, 'the mark stays');
$n++;
$stack->redis('ZREM', key('marks'), 'tag:later');

$t->refused([qw(cache purge)], 2, qr/one of "--all", .* is needed/, 'nothing');
$t->refused([qw(cache purge --all --owner a)], 2, qr/one of/, 'two things');
$t->refused([qw(cache purge --owner a --tag b)], 2, qr/one of/, 'two others');
$t->refused([qw(cache purge --key), substr $question, 1], 2, qr/nothing that/,
            'no digest');
$t->refused([qw(cache purge --key), uc $question], 2, qr/nothing that/,
            'nor this');
$t->refused([qw(cache purge --tag), 'a b'], 2, qr/nothing that/, 'two words');
$t->refused([qw(cache purge --model), "a\nb"], 2, qr/nothing that/, 'two lines');
$t->refused([qw(cache purge --owner), 'a' x 300], 2, qr/nothing that/, 'long');
$t->refused([qw(cache purge --owner), 'a' x 600], 2, qr/nothing that/, 'longer');
$t->refused([qw(cache purge --owner), ''], 2, qr/nothing that/, 'empty');
is($stack->redis('GET', key('purgecount')), $n, 'nothing was done');


# jobs that ask, as a contract's reader would find them: two for one run

my $x = '00' . 'X' x 22;
my ($f, $g) = map { '00' . $_ x 22 } qw(F G);
my $later = now() + 3_600_000;

sub hash { $stack->redis('HSET', key(shift), @_) }

hash("job:$x", qw(owner alice key k run), $x, qw(route jobs request r model m),
     created => 1000, ask => $question);
hash("run:$x", qw(gen 1 run:1 5-1 n:5-1 2 back 1 failures 1 kind UPSTREAM job),
     $x, qw(class low created 1000 started 1500 ttl 3600 records 86400),
     deadline => $later, ask => $question);
$stack->redis('SET', key("request:$x"), '{"v":1,"kind":"chat","model":"mock-1",'
              . '"messages":[{"role":"user","parts":[{"type":"text",'
              . '"text":"Ask"}]}]}');
$stack->redis('ZADD', key('deadline'), $later, $x);
$stack->redis('ZADD', key('ended'), $later, $x);

for my $job ([$f, 'led'], [$g, 'joined']) {
    my ($id, $part) = @$job;

    hash("job:$id", qw(owner alice key k run), $x,
         qw(route jobs request r model m), created => 2000, part => $part);
    hash("run:$id", qw(gen 1 job), $id, qw(class normal created 2000 ttl 3600
         records 86400), deadline => $later);
    $stack->redis('ZADD', key($_), $later, $id) for 'asked', "askers:$x";
    $stack->redis('ZADD', key('jobs:alice'), 2000, $id);
}

my $doc = $t->json(qw(jobs show), $g);
is_deeply([@$doc{qw(id state run part question attempts failures started
                    created class)}],
          ["job_$g", 'in_progress', "job_$x", 'joined', undef, 1, 1, 1500,
           2000, 'normal'], 'jobs show: the job, and what its run does');

$doc = $t->json(qw(jobs show), $x);
is_deeply([@$doc{qw(id state run part question attempts)}],
          ["job_$x", 'in_progress', undef, undef, $question, 1],
          'jobs show: the run of a question');
like(($t->run(qw(jobs show), $x))[1], qr/^question +$question$/m, 'as text');

is_deeply([map { "$_->{id} $_->{state} $_->{attempts}" }
           @{ $t->json(qw(jobs list)) }],
          ["job_$x in_progress 1", "job_$f in_progress 1",
           "job_$g in_progress 1"], 'jobs list: runs, then jobs that ask');
is_deeply([map { $_->{id} } @{ $t->json(qw(jobs list --limit 2)) }],
          ["job_$x", "job_$f"], '--limit');
is(@{ $t->json(qw(jobs list --status queued)) }, 0, '--status');
is(@{ $t->json(qw(jobs list --owner alice --status in_progress)) }, 2,
   '--owner: jobs only');
like(($t->run(qw(jobs list)))[1], qr/^job_$x .*\(run of a question\)$/m,
     'as text');

# cancel one of two: its run goes on, and is looked at

my @fin = map { key("run:$_"), 'fin' } $f, $g, $x;

$t->ok([qw(jobs cancel), $f], qr/\A\z/, qr/\Acancelled job job_$f/,
       'jobs cancel');
is($stack->redis('HGET', @fin[0, 1]), 'cancelled:operator', 'it is');
is($stack->redis('HGET', @fin[2, 3]) // '', '', 'the other is not');
is($stack->redis('HGET', @fin[4, 5]) // '', '', 'nor is its run');
is($stack->redis('ZSCORE', key('asked'), $f) // '', '', 'it asks no longer');
is($stack->redis('ZSCORE', key("askers:$x"), $f) // '', '', 'nor there');
is(newest(key('control')), "op left run $x", 'workers look');
is($stack->redis('ZSCORE', key('settle'), $f) // '', '',
   'there is nothing to settle');

# and asked again: what its run was asked

$t->refused([qw(jobs retry), $g], 1, qr/has not ended/, 'jobs retry: too early');

my ($status, $new, $err) = $t->run(qw(jobs retry), $f);
is($status, 0, 'jobs retry') or diag($err);
chomp $new;
my $c = $stack->ask("/v1/jobs/$new", headers => ['Prefer: wait=10']);
is(eval { decode_json($c->body)->{result}{choices}[0]{message}{content} },
   'Echo: Ask', 'what its run was asked') or diag($c->body);

# the run, for all

$t->ok([qw(jobs cancel), $x], qr/\A\z/, qr/\Acancelled run job_$x/,
       'jobs cancel of the run');
is($stack->redis('HGET', @fin[4, 5]), 'cancelled:operator', 'it is');
$t->ok([qw(jobs cancel), $x], qr/\A\z/, qr/\Acancelled run/, 'twice');

# an answer from the cache: the outcome is that of its run

my $h = '00' . 'H' x 22;

hash("job:$h", qw(owner alice key k run), $x, qw(route jobs request r model m),
     created => 3000, part => 'hit');
hash("run:$h", qw(gen 1 fin completed:1000001 fin_at 3000 class normal));
$stack->redis('SET', key("outcome:$x:1000001"), '{"v":1,"state":"completed",'
              . '"usage":{"input_tokens":3,"output_tokens":4},"provider":"p",'
              . '"choices":[]}');
$doc = $t->json(qw(jobs show), $h);
is_deeply([@$doc{qw(state part attempts)}, $doc->{outcome}{provider}],
          ['completed', 'hit', 0, 'p'], 'a hit');


# warm: a file of requests

sub request {
    encode_json({ model => 'mock-1', temperature => 0, messages => [
        { role => 'user', content => $_[0] }] });
}

my $url = 'http://127.0.0.1:' . $stack->port;
my $key = spit('warm-key', $stack->key . "\n");
my @warm = (qw(cache warm --url), $url, '--key-file', $key);

my $file = spit('warm.jsonl', map({ request("Warm $_") . "\n" } 1 .. 40),
                "\n", "  \r\n", request('the last'));
$t->ok([@warm, $file], qr/\A41 accepted, 0 already cached, 0 failed\n\z/,
       qr/\A\z/, 'cache warm');

my $jobs = $t->json(qw(jobs list --owner alice --limit 41));
is_deeply([sort map { $_->{class} } @$jobs], [('low') x 41], 'of class low');

$t->ok([@warm, qw(--class normal), spit('one', request('One'))],
       qr/\A1 accepted/, qr/\A\z/, '--class');
is($t->json(qw(jobs list --owner alice --limit 1))->[0]{class}, 'normal',
   'of that class');
$t->ok([@warm, spit('none')], qr/\A0 accepted/, qr/\A\z/, 'an empty file');

($status, my $out, $err) = $t->run(@warm, spit('bad', "{\n", "[1]\n",
    request('Two'), "\n", "{}\n"));
is($status, 1, 'lines that are none');
is($out, "1 accepted, 0 already cached, 3 failed\n", 'the others are sent');
is($err, <<'END', 'they are named');
weir: line 1: not a JSON object
weir: line 2: not a JSON object
weir: line 4: status 400: "model" must be a string of 1 to 256 characters without spaces
END

my $wrong = spit('wrong', $stack->key . "x\n");
($status, $out, $err) = $t->run(qw(cache warm --key-file), $wrong, '--url',
                                "$url/", $file);
is($status, 1, 'a wrong key');
is($out, "0 accepted, 0 already cached, 41 failed\n", 'all fail');
like($err, qr/^weir: line 1: status 401/m, 'since it is wrong');

$t->refused([qw(cache warm --url x --key-file), $key, $file], 2,
            qr/must start with http/, 'no URL');
$t->refused([@warm, qw(--class urgent), $file], 2, qr/"--class" must be/,
            'no class');
$t->refused([@warm, "$file.none"], 1, qr/cannot open/, 'no file');
$t->refused([qw(cache warm --url), $url, '--key-file', spit('empty'), $file], 1,
            qr/there is no key/, 'no key');
$t->refused([qw(cache warm --url), $url, $file], 2, qr/"--key-file" is required/,
            'nor this');


# a server that answers as it is told, a request a connection

sub server {
    my (@replies) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64)
        or die "listen: $!";
    my $log = spit('server-' . $listen->sockport);
    my $pid = fork // die "fork: $!";

    return ('http://127.0.0.1:' . $listen->sockport, $pid, $log) if $pid;

    while (my $c = $listen->accept) {
        my ($head, $body) = ('', '');

        while (defined(my $line = <$c>)) {
            $head .= $line;
            last if $line eq "\r\n";
        }

        next if $head eq '';
        read $c, $body, $1 if $head =~ /^Content-Length: (\d+)/im;

        open my $f, '>>', $log or die "$log: $!";
        print {$f} time, ' ', $head =~ /^(\S+ \S+)/, " $body\n";
        close $f;

        my ($line, @headers) = @{ @replies > 1 ? shift @replies : $replies[0] };
        my $text = pop @headers;

        print {$c} join "\r\n", "HTTP/1.1 $line", @headers, 'Connection: close',
                   'Content-Length: ' . length $text, '', $text;
        close $c;
    }

    POSIX::_exit(0);
}


sub got { open my $f, '<', $_[0] or die "$_[0]: $!"; my @l = <$f>; @l }

my ($there, $pid, $log) = server(['429 Too Many Requests', 'Retry-After: 2', ''],
                                 ['503 Service Unavailable', ''],
                                 ['200 OK', '{"cached":true}']);
my @two = map { request($_) . "\n" } qw(One Two);
my @there = (qw(cache warm --key-file), $key, '--url');

$t->ok([@there, $there, spit('two', $two[0])],
       qr/\A0 accepted, 1 already cached, 0 failed\n\z/, qr/\A\z/,
       'put off twice, and a hit');

my @got = got($log);
is(@got, 3, 'three tries');
like($got[0], qr/^\d+ POST \/v1\/jobs \{"request":\{.*\},"priority":"low"\}$/,
     'what it sends');
my ($first, $second) = map { /^(\d+)/ } @got;
cmp_ok($second - $first, '>=', 1, 'not before it was told');
kill TERM => $pid;
waitpid $pid, 0;

# never, and a wait beyond all measure

($there, $pid, $log) = server(['503 Service Unavailable', 'Retry-After: 86400',
                               '{"detail":"full"}']);
($status, $out, $err) = $t->run(@there, $there, spit('long', @two));
is("$status $out", "1 0 accepted, 0 already cached, 2 failed\n", 'too long');
like($err, qr/^weir: line 1: status 503: full$/m, 'why');
kill TERM => $pid;
waitpid $pid, 0;

# half a reply, and nobody there

($there, $pid) = server(['200 OK', 'Transfer-Encoding: chunked', 'x']);
($status, $out) = $t->run(@there, $there, spit('half', $two[0]));
is("$status $out", "1 0 accepted, 0 already cached, 1 failed\n", 'half a reply');
kill TERM => $pid;
waitpid $pid, 0;

($status, $out, $err) = $t->run(@there, $there, spit('nobody', $two[0]));
is("$status $out", "1 0 accepted, 0 already cached, 1 failed\n", 'nobody');
like($err, qr/^weir: line 1: .*connect/i, 'why');

$stack->end;
done_testing;

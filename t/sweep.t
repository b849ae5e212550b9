# The answers that are kept take no more room than they may: the oldest go
# first, and what was purged goes, too.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use Test::More;
use Weir::Asked;
use Weir::Stack;

my ($stack, $asked);


# in_new(BUDGET, OPTIONS): two runners, with a budget

sub in_new {
    my ($budget, %o) = @_;

    $stack = Weir::Stack->new(worker => $budget ? "cache_budget = $budget" : '',
                              %o);
    $stack->start(qw(redis mock worker));
    $asked = Weir::Asked->new(stack => $stack);
}


# put(N, SIZE, OPTIONS): an answer as the n-th that was finished; its question

sub put {
    my ($n, $size, %o) = @_;

    my $q = sha256_hex("$n");
    my $at = $o{at} // $asked->now - 1000_000 + $n;
    my $owner = $o{owner} // 'alice';
    my $model = $o{model} // 'm';
    my $labels = $o{labels} // 'class:c tag:t';
    my $outcome = 'x' x $size;
    my $record = $o{record}
        // join(' ', 'v1', $asked->id, '1000001', $at, $at,
                ($asked->now + 3600_000) x 3, 1, 2, 3, 'answer',
                length $owner, length $model, length $labels,
                length $outcome) . "\n$owner$model$labels$outcome";

    $stack->redis('SET', "weir:{0}:answer:$q", $record, 'PX', 3600_000);
    $stack->redis('ZADD', 'weir:{0}:answers', $at, $q);

    return $q;
}


sub kept {
    my (@q) = @_;

    return join ' ', map {
        $stack->redis('EXISTS', "weir:{0}:answer:$q[$_]") ? $_ : ()
    } 0 .. $#q;
}


sub purge {
    my ($mark, $at) = @_;

    $stack->redis('ZADD', 'weir:{0}:marks', $at // $asked->now, $mark);
    $stack->redis('INCR', 'weir:{0}:purgecount');
}


# swept(ENTRIES): a pass has counted so many

sub swept {
    my ($n) = @_;

    $stack->wait_for(20, sub { $stack->metric('answers') == $n },
                     "$n answers");
}


# under the budget nothing goes

in_new('100k');

my @q = map { put($_, 1000) } 0 .. 49;
swept(50);
is(kept(@q), join(' ', 0 .. 49), 'all are kept');

my $bytes = $stack->metric('answer_bytes');
ok($bytes > 50_000 && $bytes < 100 * 1024, "their bytes: $bytes");
is($stack->metric('answers_evicted_total'), 0, 'none was evicted');

# above it the oldest go, by when they were finished

push @q, map { put($_, 1000) } 50 .. 299;
$stack->wait_for(20, sub { $stack->redis('ZCARD', 'weir:{0}:answers') < 100 },
                 'fewer answers');
$stack->wait_for(20, sub { my $n = $stack->redis('ZCARD', 'weir:{0}:answers');
                           $stack->metric('answers') == $n }, 'the count');

my $n = $stack->redis('ZCARD', 'weir:{0}:answers');
$bytes = $stack->metric('answer_bytes');

is(kept(@q), join(' ', 300 - $n .. 299), "the $n newest are kept");
ok($bytes <= 100 * 1024 && $bytes > 90 * 1024, "their bytes: $bytes");
is($stack->metric('answers_evicted_total'), 300 - $n, 'the others: evicted');

# one that is larger than all of it

push @q, put(300, 200_000);
swept(0);
is($stack->redis('ZCARD', 'weir:{0}:answers'), 0, 'nothing fits beside it');

# what is gone by itself leaves the index; what is no answer is left alone

@q = map { put($_, 100) } 0 .. 249;
$stack->redis('DEL', "weir:{0}:answer:$q[$_]") for grep { $_ % 2 } 0 .. 249;
$stack->redis('ZADD', 'weir:{0}:answers', 5, 'nonsense');
swept(125);
$stack->wait_for(20, sub { $stack->redis('ZCARD', 'weir:{0}:answers') == 126 },
                 'a short index');
$stack->wait_log('worker', qr/answer_invalid member=nonsense/, 5);
$stack->redis('ZREM', 'weir:{0}:answers', 'nonsense');

# one runner counts; when it dies, another does

my %sum = map { $_ => $stack->metric($_) } qw(answers answers_evicted_total);

kill 'KILL', $stack->children('worker');
$stack->wait_for(20, sub { $stack->metric('answers') == 125 },
                 'the count again');
$stack->end;


# purges: each kind of mark; those before it only

in_new();

my $then = $asked->now;

@q = (put(0, 10, owner => 'bob'), put(1, 10, model => 'other'),
      put(2, 10, labels => 'class:d tag:t'), put(3, 10, labels => 'tag:u'),
      put(4, 10), put(5, 10), put(6, 10, at => $then + 600_000),
      put(7, 10, labels => ''));
swept(8);

push @q, put(8, 10, record => "v0 what\nis this"),
         map { put($_, 10, owner => 'many') } 9 .. 408;
swept(409);
purge('class:nothing');
swept(408);
is($stack->redis('EXISTS', "weir:{0}:answer:$q[8]"), 0,
   'a record that nobody can read');

# of many marks only those that may match are read

sub sent { $stack->redis('INFO', 'stats') =~ /^total_net_output_bytes:(\d+)/m }

$stack->redis('ZADD', 'weir:{0}:marks',
              map { ($then => "tag:elsewhere-$_-$n") } $_ * 1000 .. $_ * 1000 + 999)
    for 0 .. 19;

my ($sent) = sent();
purge('owner:many');
swept(8);
cmp_ok((sent())[0] - $sent, '<', 600_000, 'few bytes were read');
is(kept(@q), '0 1 2 3 4 5 6 7', 'owner: many');
is($stack->metric('answers_voided_total'), 401, 'metric: voided');

for (['owner:bob', '1 2 3 4 5 6 7'], ['model:other', '2 3 4 5 6 7'],
     ['class:d', '3 4 5 6 7'], ['tag:u', '4 5 6 7'],
     ["key:$q[4]", '5 6 7'], ['all', '6'])
{
    my ($mark, $left) = @$_;

    purge($mark);
    swept(scalar(() = $left =~ /\d/g));
    is(kept(@q), $left, $mark =~ s/:\w{64}/ one/r);
}

is($stack->metric('answers_evicted_total'), 0, 'none was evicted');
$stack->end;


# marks that are older than any answer are forgotten

$stack = Weir::Stack->new;
$stack->start(qw(redis mock));
$asked = Weir::Asked->new(stack => $stack);

my $old = $asked->now - 31 * 86400_000 - 1000;

$stack->redis('ZADD', 'weir:{0}:marks', (map { ($old => "tag:$_") } 1 .. 250),
              $old + 3600_000 => 'tag:young', $asked->now => 'all');
$stack->start('worker');
$stack->wait_for(20, sub { $stack->redis('ZCARD', 'weir:{0}:marks') <= 2 },
                 'old marks go');
is(join(' ', @{ $stack->redis('ZRANGE', 'weir:{0}:marks', 0, -1) }),
   'tag:young all', 'the others stay');
$stack->end;


# a share of what Redis may take; and less while that is nearly full

in_new('"10%"', redis => "maxmemory 10mb\n");

@q = map { put($_, 20_000) } 0 .. 99;
swept(51);
is(kept(@q), join(' ', 49 .. 99), 'a tenth of Redis\'s memory');

my ($used) = $stack->redis('INFO', 'memory') =~ /^used_memory:(\d+)/m;

$stack->redis('CONFIG', 'SET', 'maxmemory', int($used * 1.05));
$stack->wait_log('worker', qr/claims_stopped/, 10);
$stack->wait_for(20, sub { $stack->metric('answers') < 30 }, 'fewer answers');
$stack->redis('CONFIG', 'SET', 'maxmemory', '10mb');
$stack->wait_log('worker', qr/claims_resumed/, 10);
$stack->end;

done_testing();

# The store of keys in Redis: what stands there, who may change it at the same
# time, and what happens when Redis is not there.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new(redis => "save 3600 1\n");
$stack->start('redis');

my $socket = $stack->dir . '/redis.sock';
my $d = "$ENV{TEST_NGINX_DIR}/tool-store-$$";
mkdir $d or die "$d: $!";

my $t = Weir::Tool->new(redis => $socket);
my @pepper = ('--pepper', "$d/pepper");


sub slurp { Weir::Stack::slurp($_[0]) }
sub line { $stack->redis('GET', "weir:{keys}:key:$_[0]") }
sub changes { $stack->redis('GET', 'weir:{keys}:changes') || 0 }


# the public ids in the news, the oldest first

sub news {
    return map { $_->[1][1] } @{ $stack->redis(qw(XRANGE weir:{keys}:news - +)) };
}


# several tools at once; all must succeed

sub together {
    my (@commands) = @_;

    local $ENV{WEIR_REDIS} = "unix:$socket";
    my @pid;

    for my $command (@commands) {
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            open STDOUT, '>>', "$d/out";
            open STDERR, '>>', "$d/err";
            exec $t->{tool}, @$command or die;
        }

        push @pid, $pid;
    }

    my @bad = grep { waitpid($_, 0); $? } @pid;

    return is(@bad, 0, scalar(@pid) . ' at once: all succeed')
           || diag(slurp("$d/err"));
}


# each change is in the news, and counted; one that changes nothing is not

my $doc = $t->json(qw(keys create), @pepper, qw(--owner alice));
my ($id, $key) = @$doc{qw(id key)};

is(changes(), 1, 'create: one change');
is_deeply([news()], [$id], 'in the news');
is_deeply($stack->redis('SMEMBERS', 'weir:{keys}:ids'), [$id], 'in the set');
is($stack->redis('TTL', $_), -1, "$_ stays")
    for "weir:{keys}:key:$id", 'weir:{keys}:ids', 'weir:{keys}:news',
        'weir:{keys}:changes';

$t->run(qw(keys update), $id, qw(--tier gold));
is(changes(), 2, 'update: another');
$t->run(qw(keys update), $id, qw(--tier gold));
is(changes(), 2, 'as it was: none');
$t->refused([qw(keys update), $id, qw(--tier), 'x y'], 2, qr/"--tier"/);
is(changes(), 2, 'refused: none');
$t->run(qw(keys rotate), $id, @pepper);
is(changes(), 3, 'rotate');
$t->run(qw(keys revoke), $id);
is(changes(), 4, 'revoke');
$t->run(qw(keys revoke), $id);
is(changes(), 4, 'again: none');
$t->run(qw(keys list)), $t->run(qw(keys show), $id);
is(changes(), 4, 'to look is no change');
is_deeply([news()], [($id) x 4], 'all are in the news');


# edits at once: none is lost

my $busy = $t->json(qw(keys create), @pepper, qw(--owner busy))->{id};
my $before = changes();

for my $round (1 .. 5) {
    together([qw(keys update), $busy, '--tier', "t$round"],
             [qw(keys update), $busy, '--scopes', $round % 2 ? 'read' : 'admin'],
             [qw(keys update), $busy, '--models', "m$round"],
             [qw(keys update), $busy, '--limits', "z=$round"],
             [qw(keys update), $busy, '--expires', 4102444800 + $round],
             [qw(keys update), $busy, '--webhook', "https://h.example/$round"]);

    $doc = $t->json(qw(keys show), $busy);
    is_deeply([@$doc{qw(tier scopes models limits expires webhook)}],
              ["t$round", [$round % 2 ? 'read' : 'admin'], ["m$round"],
               "z=$round", 4102444800 + $round, "https://h.example/$round"],
              "round $round: every edit is there");
}

is(changes() - $before, 30, 'each counted once');

# the same in a file, under its lock

my @file = ('--file', "$d/keys");
my ($filed) = $t->json(qw(keys create), @file, @pepper, qw(--owner a))->{id};
together([qw(keys update), @file, $filed, qw(--tier t)],
         [qw(keys update), @file, $filed, qw(--scopes read)],
         [qw(keys update), @file, $filed, qw(--models m)],
         [qw(keys update), @file, $filed, qw(--limits z=1)],
         map { [qw(keys create), @file, @pepper, '--owner', "o$_"] } 1 .. 6);
$doc = $t->json(qw(keys show), @file, $filed);
is_deeply([@$doc{qw(tier scopes models limits)}], ['t', ['read'], ['m'], 'z=1'],
          'a file loses none either');
is(@{ $t->json(qw(keys list), @file) }, 7, 'nor a key');

# two rotations at once: one of them is told that there are two secrets

my $twice = $t->json(qw(keys create), @pepper, qw(--owner twice))->{id};
my @status = sort map { waitpid $_, 0; $? >> 8 } map {
    my $pid = fork // die;
    exec "$t->{tool} keys rotate --redis unix:$socket @pepper $twice "
         . '> /dev/null 2>&1' if $pid == 0;
    $pid;
} 1, 2;
is_deeply(\@status, [0, 1], 'rotated once');

# a revocation is not undone by an edit that began before

together(map({ [qw(keys update), $busy, '--tier', "r$_"] } 1 .. 5),
         [qw(keys revoke), $busy]);
is($t->json(qw(keys show), $busy)->{state}, 'revoked', 'revoked it stays');


# how long a revocation takes

my $quick = $t->json(qw(keys create), @pepper, qw(--owner quick))->{id};
my $start = time;
is(($t->run(qw(keys revoke), $quick))[0], 0, 'revoke');
cmp_ok(time - $start, '<', 0.2, 'at most 200 ms');


# what is stolen with the database: no key, no secret of one

my $stolen = $t->json(qw(keys create), @pepper, qw(--owner bob))->{key};
my ($secret) = $stolen =~ /_(\w{43})_/;
$stack->redis('SAVE');
my $salt = slurp("$d/pepper") =~ s/\s+//r;
my ($first) = $key =~ /_(\w{43})_/;
my $dump = join '', map { slurp($_) } glob($stack->dir . '/redis/*.rdb'),
                    glob($stack->dir . '/redis/*/*');
like($dump, qr/bob/, 'the dump has the record');
unlike($dump, qr/$secret|$stolen/, 'and not the key');
unlike($dump, qr/$salt/, 'nor the pepper');
unlike($dump, qr/$first/, 'nor what was rotated away');
like($dump, qr/${\ hmac_sha256_hex($stolen, $salt) }/, 'but a digest');


# a record that cannot be read harms no other

$stack->redis('SET', "weir:{keys}:key:$twice", 'nonsense');
$t->refused([qw(keys show), $twice], 1, qr/key $twice: a record must start/,
            'show');
$t->refused([qw(keys update), $twice, qw(--tier t)], 1, qr/a record must start/,
            'update');
my ($status, $out, $err) = $t->run(qw(keys list));
is($status, 1, 'list fails');
like($err, qr/\Aweir: key $twice: .*\n\z/, 'and names it');
like($out, qr/^$_ /m, 'the others are listed') for $id, $busy, $quick;

$stack->redis('SET', "weir:{keys}:key:$twice", line($quick));
$t->refused([qw(keys show), $twice], 1, qr/the record is of key $quick/,
            'a record in a wrong place');
$stack->redis('SREM', 'weir:{keys}:ids', $twice);
$stack->redis('DEL', "weir:{keys}:key:$twice");
$stack->redis('SADD', 'weir:{keys}:ids', 'short', 'BBBBBBBBBBBB');
is(($t->run(qw(keys list)))[0], 0, 'an id without a record is passed over');

$stack->redis('LPUSH', 'weir:{keys}:key:CCCCCCCCCCCC', 'x');
$t->refused([qw(keys show CCCCCCCCCCCC)], 1, qr/no key with|WRONGTYPE/,
            'a key of another type');
$stack->redis('DEL', 'weir:{keys}:key:CCCCCCCCCCCC');


# somebody else was faster, three times; an answer that is lost

my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock", to => $socket);
my $through = Weir::Tool->new(redis => "$d/proxy.sock");
my $lucky = $t->json(qw(keys create), @pepper, qw(--owner lucky))->{id};

$proxy->rules({ on => 'EXEC', reply => "*-1\r\n", times => 3 });
is(($through->run(qw(keys update), $lucky, qw(--tier t4)))[0], 0,
   'the fourth try');
is($t->json(qw(keys show), $lucky)->{tier}, 't4', 'which is written');

for ([[qw(keys update), $lucky, qw(--tier t5)], qr/\Aweir: redis at [^\n]*\n\z/],
     [[qw(keys revoke), $lucky], qr/\Aweir: redis at [^\n]*\n\z/],
     [[qw(keys rotate), $lucky, @pepper],
      qr/whether key $lucky has a new secret is not known/],
     [[qw(keys create), @pepper, qw(--owner unlucky)],
      qr/whether there is a key \w{12} now is not known/])
{
    my ($command, $says) = @$_;

    if ($command->[1] eq 'rotate') {        # it was revoked just now
        $stack->redis('SET', "weir:{keys}:key:$lucky",
                      line($lucky) =~ s/:revoked=\d+//r);
    }

    $proxy->rules({ on => 'EXEC', lose => 1, times => 1 });
    ($status, $out, $err) = $through->run(@$command);
    is($status, 1, "$command->[1]: the answer is lost");
    is($out, '', 'no key is shown');
    like($err, $says, 'it says so');
}

$doc = $t->json(qw(keys show), $lucky);
is_deeply([@$doc{qw(tier state)}], ['t5', 'rotating'], 'all of it was done');
is(($t->run(qw(keys rotate), $lucky, @pepper, qw(--end second)))[0], 0,
   'and the secret that nobody knows is replaced');
is(@{ $t->json(qw(keys list --owner unlucky)) }, 1, 'the record is there');
$proxy->stop;


# Redis that does not answer: a command ends by itself; one that went away in
# the middle: it is not known

$stack->signal('redis', 'STOP');
$start = time;
$t->refused([qw(keys show), $id], 1, qr/redis at .*timed out/, 'Redis hangs');
cmp_ok(time - $start, '<', 15, 'five seconds');
$stack->signal('redis', 'CONT');

# full

$stack->redis(qw(CONFIG SET maxmemory 1));
$t->refused([qw(keys create), @pepper, qw(--owner full)], 1, qr/OOM|maxmemory/,
            'Redis is full');
$stack->redis(qw(CONFIG SET maxmemory 0));

$stack->stop('redis');
for (['list'], ['show', $id], ['update', $id, '--tier', 't'], ['revoke', $id],
     ['rotate', $id, @pepper], ['create', @pepper, '--owner', 'a'],
     ['import', @file])
{
    my @command = @$_;
    $start = time;
    $t->refused(['keys', @command], 1, qr/redis at .*(No such file|refused)/,
                "$command[0]: no Redis");
    cmp_ok(time - $start, '<', 4, 'at once');
}

$stack->stop;

done_testing();

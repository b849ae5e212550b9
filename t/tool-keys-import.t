# weir keys import, and lists of a hundred thousand.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new;
$stack->start('redis');

my $d = "$ENV{TEST_NGINX_DIR}/tool-import-$$";
mkdir $d or die "$d: $!";

my $t = Weir::Tool->new(redis => $stack->dir . '/redis.sock');
my $digest = '00112233445566778899aabbccddeeff' x 2;


sub slurp { Weir::Stack::slurp($_[0]) }
sub line { $stack->redis('GET', "weir:{keys}:key:$_[0]") }
sub changes { $stack->redis('GET', 'weir:{keys}:changes') || 0 }


sub file {
    my (@lines) = @_;

    Weir::Stack::write_file("$d/keys", join '', map { "$_\n" } @lines);
}


sub imported {
    my ($want, $name, @more) = @_;

    my ($status, $out, $err) = $t->run(qw(keys import --file), "$d/keys",
                                       @more);
    is($out, "$want\n", $name);

    return ($status, $err);
}


# what the tool wrote to a file is in Redis as it was

my @new = qw(keys create --owner);
my @file = ('--file', "$d/keys", '--pepper', "$d/pepper");
$t->run(@new, 'alice', @file, '--models', 'm:1,n*', '--limits', 'z=5');
$t->run(@new, 'bob', @file, '--webhook', 'https://h.example/');
my @lines = split /\n/, slurp("$d/keys");
my ($alice, $bob) = map { (split /:/)[2] } @lines;

file('# a comment', '', $lines[0], "$lines[1]:later=1\r");
is((imported('added 2, same 0, changed 0, left 0', 'two are new'))[0], 0,
   'status');
is(line($alice), $lines[0], 'as in the file');
is(line($bob), "$lines[1]:later=1", 'with what a later version knows');
is(changes(), 2, 'each is in the news');
is_deeply([sort @{ $stack->redis('SMEMBERS', 'weir:{keys}:ids') }],
          [sort $alice, $bob], 'and in the set');

is((imported('added 0, same 2, changed 0, left 0', 'again'))[0], 0,
   'status');
is(changes(), 2, 'nothing is written');
is_deeply($t->json(qw(keys import --file), "$d/keys"),
          { added => 0, same => 2, changed => 0, left => 0 }, '--json');


# what is another in Redis is left alone, unless it is to be replaced

$t->run(qw(keys update), $alice, qw(--tier gold));
my $gold = line($alice);
file(@lines, "v1:hmac-sha256:CCCCCCCCCCCC:$digest:owner=carol");
my ($status, $err) = imported('added 1, same 0, changed 0, left 2',
                                  'two differ');
is($status, 1, 'a failure');
like($err, qr/\Akey $alice is another in Redis\nkey $bob is another in Redis\nweir: 2 keys differ: --replace .*\n\z/,
     'they are named');
is(line($alice), $gold, 'and left alone');

is((imported('added 0, same 1, changed 2, left 0', '--replace',
                 '--replace'))[0], 0, 'status');
is(line($alice), $lines[0], 'as in the file');
is(line($bob), $lines[1], 'as in the file');

# a file that is older than a revocation

$t->run(qw(keys revoke), $bob);
my $revoked = line($bob);
($status, $err) = imported('added 0, same 2, changed 0, left 1', 'revoked',
                               '--replace');
is($status, 1, 'a failure');
like($err, qr/\Akey $bob was revoked in Redis, and stays so\n/, 'is named');
is(line($bob), $revoked, 'it stays revoked');
file($lines[0], "$lines[1]:revoked=5");
is((imported('added 0, same 1, changed 1, left 0', 'revoked in the file',
                 '--replace'))[0], 0, 'is another matter');


# one bad line, and nothing is written

my $before = changes();

for (["nonsense", qr/line 4: a record must start/],
     [$lines[0], qr/stands in two records/],
     ["v1:hmac-sha256:DDDDDDDDDDDD:$digest:owner=d:models=a b",
      qr/line 4: "models"/])
{
    file($lines[0], '#', "v1:hmac-sha256:EEEEEEEEEEEE:$digest:owner=e", $_->[0]);
    $t->refused([qw(keys import --file), "$d/keys"], 1, $_->[1], 'a bad line');
}

is(changes(), $before, 'nothing was written');
is(line('EEEEEEEEEEEE'), undef, 'not even what was good');

$t->refused([qw(keys import)], 2, qr/"--file" is required/);
$t->refused([qw(keys import --file), "$d/none"], 1, qr/No such file/);
file('# nothing');
is((imported('added 0, same 0, changed 0, left 0', 'no record'))[0], 0,
   'status');


# a hundred thousand, more than the news hold; never in one piece

my $count = 100_000;
file(map { sprintf 'v1:hmac-sha256:%012d:%s:owner=o%d', $_, $digest, $_ % 10 }
     1 .. $count);
$before = changes();
is((imported("added $count, same 0, changed 0, left 0", 'many'))[0], 0,
   'status');
is(changes() - $before, $count, 'each is counted');
cmp_ok($stack->redis('XLEN', 'weir:{keys}:news'), '<', 2000,
       'the news keep about a thousand');
my $start = time;
is((imported("added 0, same $count, changed 0, left 0", 'again'))[0], 0,
   'status');
cmp_ok(time - $start, '<', 20, 'what is watched does not add up');

$stack->redis(qw(CONFIG RESETSTAT));
my $command = "$t->{tool} keys list --redis unix:$t->{redis}";
$command = "ulimit -v 60000; $command" if !$ENV{ASAN_OPTIONS};
is(`$command | wc -l` + 0, $count + 3, 'list shows all, in little memory');
is(`$command --owner o7 | wc -l` + 0, $count / 10, 'an owner has a tenth');
like(`$command --json | tail -c 3`, qr/\}\]\n\z/, '--json to the end');
unlike($stack->redis(qw(INFO commandstats)), qr/cmdstat_keys:|smembers/,
       'without KEYS');

$stack->stop;

done_testing();

# The tool: its command line, keys, and what it says without Redis.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $d = "$ENV{TEST_NGINX_DIR}/tool-keys-$$";
mkdir $d or die "$d: $!";

my $t = Weir::Tool->new;
my @file = ('--file', "$d/keys");
my @files = (@file, '--pepper', "$d/pepper");


sub slurp { Weir::Stack::slurp($_[0]) }


# the command line

my @commands = ('keys create', 'keys list', 'keys show', 'keys update',
                'keys rotate', 'keys revoke', 'keys import', 'jobs list', 'jobs show', 'jobs cancel', 'jobs retry', 'dead list',
                'dead show', 'dead retry', 'dead drop', 'queue stats',
                'queue pause', 'queue resume', 'webhooks list',
                'webhooks redeliver', 'usage', 'version', 'help');

my ($status, $out, $err) = $t->run('help');
is($status, 0, 'help');
like($out, qr/^  \Q$_\E /m, "help: $_") for @commands;

for (@commands) {
    ($status, $out) = $t->run('help', split);
    is($status, 0, "help $_");
    like($out, qr/\Ausage: weir \Q$_\E/, 'usage');
    is(($t->run(split, '--help'))[1], $out, "$_ --help") if /^\w+ /;
}

is(($t->run('--help'))[1], ($t->run('help'))[1], '--help');
like(($t->run('version'))[1], qr/^weir \d+\.\d+\.\d+$/, 'version');
is(($t->run('--version'))[1], ($t->run('version'))[1], '--version');

$t->refused([], 2, qr/no command/, 'no command');
$t->refused(['nonsense'], 2, qr/unknown command "nonsense"/);
$t->refused(['keys'], 2, qr/unknown command "keys"/);
$t->refused(['keys', 'nonsense'], 2, qr/unknown command "keys nonsense"/);
$t->refused(['help', 'nonsense'], 2, qr/unknown command/);
$t->refused(['version', 'x'], 2, qr/too many/);
$t->refused([qw(keys list --nonsense)], 2, qr/unknown option "--nonsense"/);
$t->refused([qw(keys list --file)], 2, qr/"--file" needs a value/);
$t->refused([qw(keys list --json=1)], 2, qr/takes no value/);
$t->refused([qw(keys list --file a --file b)], 2, qr/given twice/);
$t->refused([qw(keys list)], 2, qr/"--file", "--redis" or WEIR_REDIS/);
$t->refused([qw(keys list --file a --redis b)], 2, qr/either "--file" or/);
$t->refused([qw(keys list --file a b)], 2, qr/too many/);
$t->refused([qw(keys revoke --file a)], 2, qr/argument is missing/);


# output that cannot be written

SKIP: {
    skip 'no /dev/full', 1 if !-c '/dev/full';
    my $said = `$t->{tool} version 2>&1 > /dev/full`;
    is($? >> 8, 1, 'a full disk is a failure');
    like($said, qr/cannot write/, 'which is said');
}


# keys

$t->refused([qw(keys create), @files], 2, qr/"--owner" is required/);
$t->refused([qw(keys create), @files, '--owner', 'a b'], 2, qr/"--owner"/);
$t->refused([qw(keys create), @files, '--owner', 'a' x 65], 2, qr/"--owner"/);
$t->refused([qw(keys create), @files, qw(--owner a --tier), 'x y'], 2,
            qr/"--tier"/);
$t->refused([qw(keys create), @files, qw(--owner a --scopes fly)], 2,
            qr/"--scopes"/);
$t->refused([qw(keys create), @files, qw(--owner a --env LIVE)], 2,
            qr/"--env"/);
$t->refused([qw(keys create), @files, qw(--owner a --expires), $_], 2,
            qr/"--expires"/, "expires $_")
    for qw(0 -1 x 5y 1 30dd 99999999999999);
$t->refused([qw(keys create), @files, qw(--owner a --webhook), 'nonsense'], 2,
            qr/the URL of "--webhook"/);
$t->refused([qw(keys create), @files, qw(--owner a --webhook-secret x)], 2,
            qr/"--webhook-secret"/);
ok(!-e "$d/keys", 'nothing was made');

($status, $out, $err) = $t->run(qw(keys create), @files, qw(--owner alice));
is($status, 0, 'the first key');
like($out, qr/\Aweir_live_\w{12}_\w{43}_\w{6}\n\z/, 'alone on a line');
like($err, qr/\Acreated key (\w{12}) of alice in /, 'its id');
my ($alice) = $err =~ /created key (\w+)/;
is((stat "$d/keys")[2] & 0777, 0600, 'mode of the key file');
is((stat "$d/pepper")[2] & 0777, 0400, 'mode of the pepper');
my $secret = (split /_/, $out)[3];
unlike(slurp("$d/keys"), qr/$secret/, 'the file does not hold the secret');

($status, $out, $err) = $t->run(qw(keys create), @files,
    qw(--owner bob --tier gold --scopes read --env test --expires 30d));
is($status, 0, 'the second key');
like($out, qr/\Aweir_test_/, 'its env');
my ($bob) = $err =~ /created key (\w+)/;

my $keys = $t->json(qw(keys list), @file);
is(scalar(@$keys), 2, 'two keys');
is_deeply([@{ $keys->[0] }{qw(id owner tier state expires revoked)}],
          [$alice, 'alice', 'default', 'active', undef, undef], 'the first');
is_deeply([@{ $keys->[1] }{qw(id owner tier state revoked)}],
          [$bob, 'bob', 'gold', 'active', undef], 'the second');
cmp_ok(abs($keys->[1]{expires} - time - 30 * 86400), '<', 60, 'its end');
$t->ok([qw(keys list), @file], qr/^$alice +active +alice/m, qr/\A\z/, 'list');

# one with a webhook, in a file of its own

my @other = ('--file', "$d/other", '--pepper', "$d/other-pepper");
($status, $out) = $t->run(qw(keys create), @other, qw(--owner carol --webhook),
                          'https://example.com:8443/hook?a=b:c');
is($status, 0, 'a key with a webhook');
my ($drawn) = $out =~ /\Aweir_live_\w+\n(whsec_[\w+\/]+=*)\n\z/;
ok($drawn, 'its secret was drawn, and is printed below');
like(slurp("$d/other"), qr/:webhook_secret=\Q$drawn\E/, 'it is in the file');
my $listed = ($t->run(qw(keys list --json --file), "$d/other"))[1];
is(decode_json($listed)->[0]{webhook}, 'https://example.com:8443/hook?a=b:c',
   'keys list shows the URL');
unlike($listed, qr/whsec_/, 'and not the secret');

$t->refused([qw(keys revoke), @file, 'AAAAAAAAAAAA'], 1, qr/AAAAAAAAAAAA/,
            'revoke: no such key');
is(($t->run(qw(keys revoke), @file, $alice))[0], 0, 'revoke');
is(($t->run(qw(keys revoke), @file, $alice))[0], 0, 'again');
is($t->json(qw(keys list), @file)->[0]{state}, 'revoked', 'revoked');

# comments, order and fields of later versions stay

my $text = slurp("$d/keys");
my ($first, $second) = split /\n/, $text;
Weir::Stack::write_file("$d/keys", "# mine\n$first\n\n$second:later=1\n");
is(($t->run(qw(keys revoke), @file, $bob))[0], 0, 'revoke the other');
like(slurp("$d/keys"),
     qr/\A# mine\n\Q$first\E\n\n\Q$second\E:revoked=\d+:later=1\n\z/,
     'only this record has changed');

# a broken line; a field that stands twice

for (['nonsense', qr/line 2: a record must start with/],
     ["$second:owner=eve", qr/line 2: "owner" is given twice/],
     ["$second:later=1:later=2", qr/line 2: "later" is given twice/])
{
    Weir::Stack::write_file("$d/bad", "$first\n$_->[0]\n");
    ($status, $out, $err) = $t->run(qw(keys list --file), "$d/bad");
    is($status, 1, 'a broken line');
    like($err, $_->[1], 'is named');
    like($out, qr/\A$alice .*\n\z/, 'the others are listed');
}

$t->refused([qw(keys list --file), "$d/none"], 1, qr/No such file/,
            'no file');
unlink "$d/pepper";
$t->refused([qw(keys create), @files, qw(--owner a)], 1, qr/pepper/,
            'a lost pepper is not made anew');


# Redis: no address, a bad one, nobody there, a wrong password

my $id = 'job_00' . 'a' x 22;
my @asking = ([qw(jobs list)], [qw(jobs show), $id], [qw(jobs cancel), $id],
              [qw(jobs retry), $id], [qw(dead list)], [qw(dead show), $id],
              [qw(dead retry), $id], [qw(dead drop), $id], [qw(queue stats)],
              [qw(queue pause)], [qw(queue resume)], [qw(webhooks list)],
              [qw(webhooks redeliver), $id], [qw(usage)]);
my @keys = ([qw(keys list)], [qw(keys show AAAAAAAAAAAA)],
            [qw(keys update AAAAAAAAAAAA --tier t)],
            [qw(keys revoke AAAAAAAAAAAA)],
            [qw(keys rotate AAAAAAAAAAAA --pepper), "$d/other-pepper"],
            [qw(keys create --owner a --pepper), "$d/other-pepper"]);

for (@asking, @keys, [qw(keys import), @file]) {
    $t->refused($_, 2, qr/"--redis" or WEIR_REDIS/, "@$_: no address");
    $t->refused([@$_, '--redis', "unix:$d/none"], 1,
                qr/\Aweir: redis at unix:.*: No such file/, "@$_: no Redis");
    $t->refused([@$_, '--redis', 'nonsense'], 2, qr/unix:\/path or host:port/,
                "@$_: not an address");
}

my $port = Weir::Stack::free_port();
$t->refused([qw(queue stats --redis), "127.0.0.1:$port"], 1,
            qr/Connection refused/, 'refused');

my $stack = Weir::Stack->new;
my $redis = $stack->dir . '/redis.sock';
$stack->start('redis');
$stack->redis(qw(CONFIG SET requirepass secret));
Weir::Stack::write_file("$d/right", "secret\n");
Weir::Stack::write_file("$d/wrong", "nonsense\n");

$t->refused([qw(queue stats --redis), "unix:$redis"], 1, qr/NOAUTH/,
            'no password');
$t->refused([qw(queue stats --redis), "unix:$redis", '--password-file',
             "$d/wrong"], 1, qr/WRONGPASS/, 'a wrong password');
$t->ok([qw(queue stats --redis), "unix:$redis", '--password-file',
        "$d/right", '--db', 3], qr/^paused +no$/m, qr/\A\z/, 'the right one');
$t->refused([qw(queue stats --redis), "unix:$redis", '--password-file',
             "$d/right", '--db', 99], 1, qr/out of range/, 'no such database');


# arguments of the commands that ask

$t->{redis} = $redis;
$t->refused([qw(jobs show nonsense)], 2, qr/not the id of a job/);
$t->refused([qw(jobs cancel job_xx)], 2, qr/not the id of a job/);
$t->refused([qw(jobs retry job_xx)], 2, qr/not the id of a job/);
$t->refused([qw(jobs show)], 2, qr/argument is missing/);
$t->refused([qw(jobs list x)], 2, qr/too many/);
$t->refused([qw(jobs list --owner), 'a b'], 2, qr/"--owner"/);
$t->refused([qw(jobs list --status running)], 2, qr/"--status"/);
$t->refused([qw(jobs list --limit), $_], 2, qr/"--limit"/, "limit $_")
    for qw(0 -1 x 10001 99999999999);
$t->refused([qw(dead show nonsense)], 2, qr/not the id of a job/);
$t->refused([qw(dead list --limit 0)], 2, qr/"--limit"/);

for (qw(retry drop)) {
    $t->refused(['dead', $_], 2, qr/either the id .* or "--all"/);
    $t->refused(['dead', $_, $id, '--all'], 2, qr/either the id/);
    $t->refused(['dead', $_, '--all'], 2, qr/with "--yes" only/);
    $t->refused(['dead', $_, 'nonsense'], 2, qr/not the id/);
    $t->refused(['dead', $_, $id, $id], 2, qr/too many/);
}

$t->refused([qw(queue pause --timeout), $_], 2, qr/"--timeout"/, "timeout $_")
    for qw(0 x 86401);
$t->refused([qw(queue resume --wait)], 2, qr/unknown option/);
$t->refused([qw(webhooks list x)], 2, qr/too many/);
$t->refused([qw(webhooks redeliver)], 2, qr/argument is missing/);
$t->refused([qw(usage x)], 2, qr/too many/);
$t->refused([qw(usage --owner), 'a b'], 2, qr/letters, digits/);
$t->refused(['usage', '--from', $_], 2, qr/"--from" must be a day such as/)
    for qw(2026-11-31 2026-1-31 20261121 today 2026-11-021 2026-11-2x);
$t->refused([qw(usage --to), ''], 2, qr/"--to" must be a day/);
$t->refused([qw(usage --from 2026-11-22 --to 2026-11-21)], 2, qr/is after/);
$t->refused([qw(webhooks redeliver nonsense)], 2, qr/not the id of a job/);

$stack->stop;

done_testing();

# Where a key may not be found again: in logs, also at the level "debug", in
# metrics, in Redis and its files (AK-16, AK-17), in memory once it was checked.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Keys;
use Weir::Stack;
use Weir::Tool;

my $up = Weir::Stack::free_port();
my $h2 = Weir::Stack::free_port();

my $stack = Weir::Stack->new(location => 'weir_api;',
                             main => 'worker_rlimit_core 0;');
my $d = $stack->dir;

$stack->{key_conf} = "weir_key_store pepper=$d/pepper zone=keys:1m;"
                     . "weir_key_file $d/keys pepper=$d/pepper;";
$stack->{http} = <<END;
    error_log $d/debug.log debug;
    log_format all '\$request \$http_authorization \$http_x_api_key \$args '
                   '\$weir_key_id \$weir_auth_status';
    access_log $d/all.log all;
    server { listen 127.0.0.1:$up; location / { return 200 "up"; } }
END
$stack->{server} = <<END;
    listen 127.0.0.1:$h2 http2;
    location /proxy { weir_auth on; proxy_pass http://127.0.0.1:$up; }
    location /page { weir_auth on scope=admin; error_page 401 403 = \@page;
                     return 200; }
    location \@page { proxy_pass http://127.0.0.1:$up; }
    location /metrics { weir_metrics; }
END

$stack->start('redis', 'nginx');

my $tool = Weir::Tool->new(redis => "$d/redis.sock");
my $keys = Weir::Keys->new(pepper => "$d/pepper");
my @made = map { $tool->json(qw(keys create), '--pepper', "$d/pepper",
                             qw(--owner alice))->{key} } 1 .. 3;
my @bad = map { $keys->with_id('b' x 12) } 1 .. 2;
my $file = $stack->key;

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';

sub secret { ($_[0] =~ /^weir_[a-z0-9]+_[^_]+_([^_]+)_/)[0] }

my %plain = map { secret($_) => $_ } $file, $made[0], @bad;


# in every way, by HTTP/1

for my $key ($file, $made[0], @bad) {
    for my $head ("Authorization: Bearer $key", "X-API-Key: $key") {
        $stack->ask($_, no_key => 1, headers => [$head])
            for '/proxy', '/page', "/proxy?a=$key&b=$key", '/v1/models',
                '/v1/jobs/job_x';
        $stack->ask('/v1/jobs', no_key => 1, headers => [$head], body => $job);
        $stack->ask('/proxy', no_key => 1,
                    headers => [$head, "X-API-Key: $key"]);
    }

    $stack->ask("/proxy?key=$key", no_key => 1);
    $stack->ask("/proxy?key=$key", no_key => 1, method => 'POST', body => $key)
        if $key eq $bad[1];
}

delete $plain{secret($bad[1])};         # a body is nobody's business

is($stack->ask('/proxy', no_key => 1,
               headers => ["X-API-Key: $made[0]"])->body, 'up', 'it works');


# memory

sub memory {
    my ($pid) = @_;

    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $mem, '<:raw', "/proc/$pid/mem" or return;

    my @found;

    for (<$maps>) {
        no warnings 'portable';
        my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        $_ = hex $_ for $from, $to;
        next if $to - $from > 1 << 28;

        sysseek $mem, $from, 0 or next;
        sysread $mem, my $bytes, $to - $from or next;
        push @found, grep { index($bytes, $_) >= 0 } keys %plain;
    }

    return { map { $_ => 1 } @found };
}

SKIP: {
    skip 'the shadow of the sanitizer is too large', 2
        if ($ENV{ASAN_OPTIONS} // '') =~ /leaks/;

    for my $pid ($stack->children('nginx')) {
        my $found = memory($pid) // skip 'memory cannot be read', 1;
        is(join(' ', keys %$found), '',
           'AK-16: not in the memory of a process');
    }
}


# HTTP/2, and what nginx refuses itself

sub h2 {
    my ($path, @headers) = @_;

    my @args = map { ('-H', $_) } @headers;
    system('curl', '-s', '-o', '/dev/null', '--http2-prior-knowledge', @args,
           "http://127.0.0.1:$h2$path") == 0 or die 'curl';
}

h2('/proxy', "authorization: Bearer $made[1]");
h2("/proxy?x=$made[1]", "x-api-key: $made[1]");
h2('/page', "x-api-key: $made[1]");


# logs

my %secret = map { secret($_) => 1 } $file, @made, @bad;

sub found {
    my ($text) = @_;

    return join ' ', grep { index($text, $_) >= 0 } keys %secret;
}

my $debug = Weir::Stack::slurp("$d/debug.log");

like($debug, qr/weir gate: auth/, 'the debug log is one');
like($debug, qr/http header: "Authorization: Bearer weir_live_/,
     'nginx itself shows what it reads, in lines of its own');

my @lines = grep {
    !/\*\d+ http2? (?:header|args|request line|:path|table):? /
} split /\n/, $debug;

is(found(join "\n", @lines), '', 'AK-16: nothing else does');

is(found(Weir::Stack::slurp("$d/all.log")), '', 'AK-16: access log');
is(found($stack->log('nginx')), '', 'AK-16: error log');
is(found($stack->ask('/metrics', no_key => 1)->body), '', 'AK-16: metrics');


# Redis

my $names = join "\n", @{ $stack->redis('KEYS', '*') };
is(found($names), '', 'AK-16: keys of Redis');
like($names, qr/^weir:\{keys}:key:/m, 'which are there');

$stack->redis('BGREWRITEAOF');
$stack->redis('SAVE');
$stack->stop('redis', 'nginx');

my $dump = '';

for my $name (glob "$d/redis/* $d/redis/*/*") {
    $dump .= Weir::Stack::slurp($name) if -f $name;
}

like($dump, qr/v1:hmac-sha256:/, 'the dump has records');
is(found($dump), '', 'AK-17: and no key');
is(found(Weir::Stack::slurp("$d/keys")), '', 'AK-17: nor has the key file');

$stack->end;

done_testing();

#!/usr/bin/perl
# with-stack.pl COMMAND...: runs it with a Redis, a mock LLM and a worker for
# each directory of $LANES, whose name ends with the first port of its range.
# Their addresses and keys stand in DIR/env, for lane.sh.

use strict;
use warnings;

use IO::Socket::INET;
use Weir::Stack;

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);

my @lanes = map { lane($_) } split ' ', $ENV{LANES};
my $status = system @ARGV;

for my $s (map { $_->{stack} } @lanes) {
    for (grep { !$s->alive($_) } qw(redis mock worker)) {
        print $s->dir, ": $_ has ended during the run\n";
        $status ||= 1;
    }

    $s->stop;
}

exit($status ? 1 : 0);


sub lane {
    my ($dir) = @_;

    my ($port) = $dir =~ /-(\d+)$/ or die "$dir: no port";

    # says that this range of ports is taken, as long as the run goes on

    my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
        LocalPort => $port + 79, ReuseAddr => 1)
        or die "another run has these ports: $!\n";

    my %env = (
        TEST_NGINX_DIR         => $dir,
        TEST_NGINX_PORT_BASE   => $port + 10,
        TEST_NGINX_SERVER_PORT => "127.0.0.1:$port",
        TEST_NGINX_CLIENT_PORT => $port,
        TEST_NGINX_STREAM_PORT => $port + 1,
        TEST_NGINX_SERVROOT    => "$dir/servroot",
        TEST_NGINX_ERROR_LOG   => "$dir/errors.log",
    );

    # commas: Test::Nginx splits there, to name the report after the block

    $env{ASAN_OPTIONS} = "$ENV{ASAN_OPTIONS},log_path=$dir/san/asan"
        if $ENV{ASAN_OPTIONS};

    local @ENV{keys %env} = values %env;

    my $s = Weir::Stack->new(dir => "$dir/run");

    $s->start(qw(redis mock worker));
    $s->keys;

    %env = (
        %env,
        TEST_NGINX_REDIS       => $s->dir . '/redis.sock',
        TEST_NGINX_REDIS_PORT  => $s->{redis_port},
        TEST_NGINX_MOCK_PORT   => $s->{mock_port},
        TEST_NGINX_KEY_FILE    => $s->dir . '/keys',
        TEST_NGINX_PEPPER_FILE => $s->dir . '/pepper',
        TEST_NGINX_KEY         => $s->{key},
        TEST_NGINX_OTHER_KEY   => $s->{other_key},
        TEST_NGINX_ADMIN_KEY   => $s->{admin_key},
    );

    Weir::Stack::write_file("$dir/env",
        join '', map { "export $_='$env{$_}'\n" } sort keys %env);

    return { stack => $s, taken => $taken };
}

#!/usr/bin/perl
# with-stack.pl COMMAND...: runs it with a Redis, a mock LLM and a worker,
# whose addresses and keys stand in TEST_NGINX_* variables.

use strict;
use warnings;

use IO::Socket::INET;
use Weir::Stack;

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);

# says that this range of ports is taken, as long as the run goes on

my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
    LocalPort => $ENV{TEST_NGINX_PORT_BASE} + 69, ReuseAddr => 1)
    or die "another run has these ports: $!\n";

my $s = Weir::Stack->new(dir => "$ENV{TEST_NGINX_DIR}/run");

$s->start(qw(redis mock worker));
$s->keys;

$ENV{TEST_NGINX_REDIS}       = $s->dir . '/redis.sock';
$ENV{TEST_NGINX_REDIS_PORT}  = $s->{redis_port};
$ENV{TEST_NGINX_MOCK_PORT}   = $s->{mock_port};
$ENV{TEST_NGINX_KEY_FILE}    = $s->dir . '/keys';
$ENV{TEST_NGINX_PEPPER_FILE} = $s->dir . '/pepper';
$ENV{TEST_NGINX_KEY}         = $s->{key};
$ENV{TEST_NGINX_OTHER_KEY}   = $s->{other_key};
$ENV{TEST_NGINX_ADMIN_KEY}   = $s->{admin_key};

my $status = system @ARGV;

for (grep { !$s->alive($_) } qw(redis mock worker)) {
    print "$_ has ended during the run\n";
    $status ||= 1;
}

$s->stop;

exit($status ? 1 : 0);

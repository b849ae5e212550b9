#!/usr/bin/perl
# receiver.pl FILE: takes webhooks, writes one line for each, answers 204.
# The name of the job is the path; FILE gets the port.
#
#     <ms> hook cN <webhook-id> <type>

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(time);

my ($file) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128)
    or die "listen: $!";

open my $log, '>>', "$ENV{CHAOS_DIR}/hooks.log" or die "hooks.log: $!";
$log->autoflush;

open my $port, '>', $file or die "$file: $!";
print $port $listen->sockport;
close $port;

$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { die "late\n" };


# one request; who sends half of it was killed

sub take {
    my ($c) = @_;
    my $text = '';

    alarm 2;

    while ($text !~ /\r\n\r\n/) {
        sysread $c, $text, 65536, length $text or return;
    }

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($size) = $head =~ /^content-length:\s*(\d+)/mi or return;

    while (length $body < $size) {
        sysread $c, $body, 65536, length $body or return;
    }

    my ($name) = $head =~ m{^POST /(\S+)};
    my ($id) = $head =~ /^webhook-id:\s*(\S+)/mi;
    my ($type) = $body =~ /^\{"type":"([a-z.]+)"/;

    printf $log "%d hook %s %s %s\n", time * 1000, $name // '-', $id // '-',
           $type // '-';
    syswrite $c, "HTTP/1.1 204 X\r\nConnection: close\r\n\r\n";
}

while (1) {
    my $c = $listen->accept or next;

    eval { take($c) };
    alarm 0;
    close $c;
}

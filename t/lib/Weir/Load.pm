package Weir::Load;

# Requests at a steady rate over connections that stay, to several ports at
# once, while something else happens:
#
#     my $load = Weir::Load->new(ports => [32010, 32011], rate => 1000,
#                                head => "X-API-Key: $key\r\n");
#     my @seen = $load->run(sub { time > $end });
#
# An answer seen is [time asked, time of the answer, status, port].  A
# connection that nginx closes is made again.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub new {
    my ($class, %o) = @_;

    my $self = bless { connections => 16, path => '/', head => '', %o }, $class;

    $self->{out} = "GET $self->{path} HTTP/1.1\r\nHost: localhost\r\n"
                   . "$self->{head}\r\n";
    $self->{select} = IO::Select->new;
    $self->{idle} = [];
    $self->{busy} = {};

    for my $port (@{ $self->{ports} }) {
        push @{ $self->{idle} }, map { $self->connect($port) }
                                 1 .. $self->{connections};
    }

    return $self;
}


sub connect {
    my ($self, $port) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
        or die "connect to port $port: $!";
    $self->{select}->add($s);

    return { socket => $s, port => $port, in => '' };
}


sub run {
    my ($self, $over) = @_;

    my ($start, $sent, @seen) = (time, 0);

    until ($over->()) {
        my $due = int($self->{rate} * (time - $start)) - $sent;

        while ($due-- > 0 && @{ $self->{idle} }) {
            my $c = shift @{ $self->{idle} };

            $c->{asked} = time;
            syswrite $c->{socket}, $self->{out};
            $self->{busy}{fileno $c->{socket}} = $c;
            $sent++;
        }

        for my $socket ($self->{select}->can_read(0.002)) {
            my $c = delete $self->{busy}{fileno $socket};

            if (!$c || !sysread $socket, $c->{in}, 65536, length $c->{in}) {
                $self->closed($socket, $c);
                next;
            }

            push @seen, $self->answer($c);
        }
    }

    return @seen;
}


sub closed {
    my ($self, $socket, $c) = @_;

    ($c) = grep { $_->{socket} == $socket } @{ $self->{idle} } if !$c;

    @{ $self->{idle} } = grep { $_ != $c } @{ $self->{idle} };
    $self->{select}->remove($socket);
    close $socket;
    push @{ $self->{idle} }, $self->connect($c->{port});
}


sub answer {
    my ($self, $c) = @_;

    if ($c->{in} =~ /\AHTTP\/1\.1 (\d+)(.*?)\r\n\r\n/s) {
        my ($status, $end) = ($1, $+[0]);
        my ($length) = $2 =~ /^Content-Length: (\d+)/mi;

        if (length $c->{in} >= $end + ($length // 0)) {
            $c->{in} = '';
            push @{ $self->{idle} }, $c;
            return [$c->{asked}, time, $status, $c->{port}];
        }
    }

    $self->{busy}{fileno $c->{socket}} = $c;
    return;
}


1;

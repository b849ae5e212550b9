package Weir::Flood;

# Many requests at once, over connections that are kept alive:
#
#     my $n = Weir::Flood::flood(ports => [$a->port, $b->port],
#                                requests => 1000, connections => 64,
#                                path => '/', headers => [$a->auth]);
#     is($n->{200}, 100);
#
# Each connection sends its next request when the last one was answered; the
# ports take turns.  The result: how many answers there were of each status,
# and {slowest} and {elapsed} in seconds.  path may be code, which is given the
# number of the request.  Dies if answers are missing after "timeout" seconds
# (30).

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub flood {
    my (%o) = @_;

    my %n = (slowest => 0);
    my $sent = 0;
    my $select = IO::Select->new;
    my %open;
    my $start = time;
    my $end = $start + ($o{timeout} // 30);

    for my $i (0 .. ($o{connections} // 64) - 1) {
        my $port = $o{ports}[$i % @{ $o{ports} }];
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                         PeerPort => $port, Proto => 'tcp')
            or die "connect to port $port: $!";

        $open{fileno $socket} = { socket => $socket, in => '' };
        $select->add($socket);
    }

    my $send = sub {
        my ($c) = @_;

        if ($sent == $o{requests}) {
            $select->remove($c->{socket});
            return;
        }

        my $path = ref $o{path} ? $o{path}->($sent) : $o{path} // '/';
        my $text = join "\r\n", "GET $path HTTP/1.1", 'Host: localhost',
                                @{ $o{headers} // [] }, '', '';

        $sent++;
        $c->{at} = time;
        syswrite $c->{socket}, $text or die "write: $!";
    };

    $send->($_) for values %open;

    while ($select->count) {
        die 'flood: answers are missing' if time > $end;

        for my $socket ($select->can_read(1)) {
            my $c = $open{fileno $socket};

            sysread $socket, $c->{in}, 65536, length $c->{in}
                or die "flood: closed after \"$c->{in}\"";

            my $status = answer(\$c->{in}) // next;
            my $took = time - $c->{at};

            $n{$status}++;
            $n{slowest} = $took if $took > $n{slowest};
            $send->($c);
        }
    }

    $n{elapsed} = time - $start;

    return \%n;
}


# the status of a whole answer, which is removed; undef: it is not whole

sub answer {
    my ($in) = @_;

    $$in =~ /\AHTTP\/1\.1 (\d+)[^\n]*\n(.*?)\r\n\r\n/s or return;

    my ($status, $head, $size) = ($1, $2, $+[0]);
    $size += $1 if $head =~ /^Content-Length: (\d+)/mi;

    return if length $$in < $size;
    substr $$in, 0, $size, '';

    return $status;
}


1;

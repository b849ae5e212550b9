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
# number of the request.  Dies if a connection is closed before the answer, but
# with "lost": such requests are counted as {lost}, and a new connection goes
# on; and if answers are missing after "timeout" seconds (30).  "on_answer" is
# called after each answer with their number so far.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub flood {
    my (%o) = @_;

    my $f = { %o, select => IO::Select->new, open => {}, sent => 0, n => {},
              answers => 0 };
    my $n = $f->{n};
    my $start = time;
    my $end = $start + ($o{timeout} // 30);

    @$n{qw(slowest lost)} = (0, 0);
    join_in($f, $o{ports}[$_ % @{ $o{ports} }])
        for 0 .. ($o{connections} // 64) - 1;

    while ($f->{select}->count) {
        die 'flood: answers are missing' if time > $end;

        for my $socket ($f->{select}->can_read(1)) {
            my $c = $f->{open}{fileno $socket};

            if (!sysread $socket, $c->{in}, 65536, length $c->{in}) {
                gone($f, $c);
                next;
            }

            my $status = answer(\$c->{in}) // next;
            my $took = time - $c->{at};

            $n->{$status}++;
            $n->{slowest} = $took if $took > $n->{slowest};
            $o{on_answer}->(++$f->{answers}) if $o{on_answer};
            ask($f, $c);
        }
    }

    $n->{elapsed} = time - $start;

    return $n;
}


sub join_in {
    my ($f, $port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                     PeerPort => $port, Proto => 'tcp')
        or die "connect to port $port: $!";
    my $c = { socket => $socket, port => $port, in => '' };

    $f->{open}{fileno $socket} = $c;
    $f->{select}->add($socket);
    ask($f, $c);
}


sub ask {
    my ($f, $c) = @_;

    if ($f->{sent} == $f->{requests}) {
        $f->{select}->remove($c->{socket});
        return;
    }

    my $path = $f->{path} // '/';
    $path = $path->($f->{sent}) if ref $path;

    $f->{sent}++;
    $c->{at} = time;

    local $SIG{PIPE} = 'IGNORE';

    syswrite $c->{socket}, join "\r\n", "GET $path HTTP/1.1",
                                'Host: localhost', @{ $f->{headers} // [] },
                                '', '';
}


# its process was killed

sub gone {
    my ($f, $c) = @_;

    die "flood: closed after \"$c->{in}\"" if !$f->{lost};

    $f->{n}{lost}++;
    $f->{select}->remove($c->{socket});
    join_in($f, $c->{port}) if $f->{sent} < $f->{requests};
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

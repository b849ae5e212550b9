package Weir::Burst;

# Many small requests: at the same instant, or as fast as they go.
#
#     my @c = at_once($port, 500, '/x', @headers);
#     my %n = flood($port, 60000, sub { "/x?$_[0]" });
#
# at_once() opens all connections, sends all but the last byte on each, and
# then these; it returns Weir::Clients, all answered.  flood() pipelines on a
# few connections and returns how often each status came; with "until" it stops
# at that time.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);
use Weir::Client;

our @EXPORT = qw(at_once flood);


sub at_once {
    my ($port, $n, $path, @headers) = @_;

    my $raw = Weir::Client::request(path => $path, headers => [@headers]);
    my $last = chop $raw;

    my @c = map { Weir::Client->new(port => $port, raw => $raw) } 1 .. $n;

    for my $c (@c) {
        $c->{once} = 1;
        syswrite $c->{socket}, $last;
    }

    Weir::Client::wait_all(20, @c) or die "at_once: no answer";

    return @c;
}


# flood(PORT, N, PATH OF I [, connections => 4, depth => 64, headers => [],
# until => TIME])

sub flood {
    my ($port, $n, $path, %o) = @_;

    my %count;
    my $sent = 0;
    my $depth = $o{depth} // 64;
    my $more = join '', map { "$_\r\n" } @{ $o{headers} // [] };
    my (%in, %owed);

    my $select = IO::Select->new;

    my $fill = sub {
        my ($s) = @_;
        my $out = '';

        while ($owed{$s} < $depth && $sent < $n
               && (!$o{until} || time < $o{until}))
        {
            $out .= 'GET ' . $path->($sent++)
                    . " HTTP/1.1\r\nHost: x\r\n$more\r\n";
            $owed{$s}++;
        }

        print $s $out;
        $s->flush;
    };

    for (1 .. $o{connections} // 4) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $port) or die "flood: $!";
        $owed{$s} = 0;
        $in{$s} = '';
        $fill->($s);
        $select->add($s) if $owed{$s};
    }

    while ($select->count) {
        my @ready = $select->can_read(20) or die 'flood: no answer';

        for my $s (@ready) {
            if (!sysread $s, $in{$s}, 65536, length $in{$s}) {
                die "flood: closed with $owed{$s} owed" if $owed{$s};
                $select->remove($s);
                next;
            }

            # whole answers: a head, and the body that it tells of

            while ($in{$s} =~ /\A(HTTP\/1\.1 (\d+).*?\r\n\r\n)/s) {
                my ($head, $status) = ($1, $2);
                my ($length) = $head =~ /^content-length: (\d+)/mi;
                my $whole = length($head) + ($length // 0);

                last if length $in{$s} < $whole;

                substr $in{$s}, 0, $whole, '';
                $count{$status}++;
                $owed{$s}--;
            }

            $fill->($s) if $owed{$s} <= $depth / 2;
            $select->remove($s) if $owed{$s} == 0;
        }
    }

    return %count;
}


1;

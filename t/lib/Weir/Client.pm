package Weir::Client;

# One HTTP/1.1 request on a connection of its own, with the time at which each
# part of the answer came.  Reading is explicit, so that a test can act in the
# middle of a stream:
#
#     my $c = Weir::Client->new(port => 32010, path => '/v1/jobs', ...);
#     $c->wait(5, qr/first event/);     # true once the body matches
#     $c->wait(5);                      # true once the answer is whole
#
# Options: port, method, path, headers (array of lines), body, raw (instead of
# all of these), buffer (bytes that the kernel takes in for us, about).  wait_all()
# reads many at once.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time);


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        start => time, in => '', parts => [], body => '', whole => 0, eof => 0,
        once => !defined $o{raw},
    }, $class;

    $self->{socket} = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $o{port}, Proto => 'tcp',
        $o{buffer} ? (Sockopts => [[SOL_SOCKET, SO_RCVBUF, $o{buffer}]]) : ())
        or die "connect to port $o{port}: $!";

    my $out = $o{raw} // request(%o);

    while (length $out) {
        my $n = syswrite $self->{socket}, $out;
        last if !defined $n;                    # the answer tells
        substr($out, 0, $n) = '';
    }

    $self->{socket}->blocking(0);

    return $self;
}


sub request {
    my (%o) = @_;

    my $body = $o{body};
    my $method = $o{method} // (defined $body ? 'POST' : 'GET');
    my @lines = ("$method " . ($o{path} // '/') . ' HTTP/1.1',
                 'Host: localhost', 'Connection: close', @{ $o{headers} // [] });

    if (defined $body) {
        push @lines, 'Content-Length: ' . length $body;

        if (!grep { /^content-type:/i } @lines) {
            push @lines, 'Content-Type: application/json';
        }
    }

    return join("\r\n", @lines, '', '') . ($body // '');
}


sub status  { $_[0]{status} }
sub body    { $_[0]{body} }
sub whole   { $_[0]{whole} }            # the framing says: nothing is missing
sub parts   { @{ $_[0]{parts} } }       # [seconds since the start, bytes]
sub header  { $_[0]{headers}{lc $_[1]} }
sub head    { $_[0]{head} }
sub elapsed { $_[0]{end} - $_[0]{start} }


sub done {
    my ($self) = @_;

    return $self->{whole} || $self->{eof};
}


# wait(SECONDS [, REGEX OR CODE]): reads until it holds, or the answer ends

sub wait {
    my ($self, $seconds, $what) = @_;

    my $holds = ref $what eq 'CODE' ? $what
                : defined $what ? sub { $_[0]{body} =~ $what }
                : sub { $_[0]{whole} };
    my $end = time + $seconds;

    while (!$holds->($self)) {
        my $left = $end - time;

        return 0 if $self->{eof} || $left <= 0;
        return 0 if $self->{once} && $self->{whole};

        if (IO::Select->new($self->{socket})->can_read($left)) {
            $self->read_some;
        }
    }

    $self->leave;

    return 1;
}


# wait_all(SECONDS, CLIENT...): true when all answers are whole

sub wait_all {
    my ($seconds, @clients) = @_;

    my $end = time + $seconds;
    my %open = map { fileno($_->{socket}) => $_ } grep { !$_->done } @clients;
    my $select = IO::Select->new(map { $_->{socket} } values %open);

    while (%open && time < $end) {
        for my $socket ($select->can_read($end - time)) {
            my $n = fileno $socket;

            $open{$n}->read_some;
            next if !$open{$n}->done;
            $select->remove($socket);
            (delete $open{$n})->leave;
        }
    }

    return !grep { !$_->whole } @clients;
}


# after the answer nobody stays, or nginx would linger for seconds

sub leave {
    my ($self) = @_;

    $self->close if $self->{once} && $self->{whole} && !$self->{eof};
}


sub close {
    my ($self) = @_;

    close $self->{socket};
    $self->{eof} = 1;
}


sub read_some {
    my ($self) = @_;

    my $n = sysread $self->{socket}, my $bytes, 65536;
    return if !defined $n && $!{EAGAIN};

    $self->{end} = time;

    if ($n) {
        push @{ $self->{parts} }, [time - $self->{start}, $bytes];
        $self->{in} .= $bytes;

    } else {
        $self->{eof} = 1;
    }

    $self->parse;
}


sub parse {
    my ($self) = @_;

    while (!defined $self->{status} && $self->{in} =~ s/^(.*?\r\n)\r\n//s) {
        my $head = $1;
        my ($line, @headers) = split /\r\n/, $head;
        my ($status) = $line =~ m{^HTTP/1\.\d (\d+)} or die "bad answer: $line";

        next if $status < 200;

        $self->{head} = $head;
        $self->{status} = $status;

        for (@headers) {
            my ($name, $value) = /^([^:]+):\s*(.*)$/ or next;
            my $h = \$self->{headers}{lc $name};
            $$h = defined $$h ? "$$h, $value" : $value;
        }
    }

    return if !defined $self->{status} || $self->{whole};

    if (($self->header('Transfer-Encoding') // '') =~ /chunked/i) {
        $self->parse_chunks;
        return;
    }

    $self->{body} .= $self->{in};
    $self->{in} = '';

    my $length = $self->header('Content-Length');
    $length = 0 if $self->{status} =~ /^(204|304)$/;

    $self->{whole} = defined $length ? length $self->{body} >= $length
                                     : $self->{eof};
}


sub parse_chunks {
    my ($self) = @_;

    while ($self->{in} =~ /^([0-9a-fA-F]+)[^\r\n]*\r\n/) {
        my ($at, $size) = ($+[0], hex $1);

        return if length $self->{in} < $at + $size + 2;

        $self->{body} .= substr $self->{in}, $at, $size;
        substr($self->{in}, 0, $at + $size + 2) = '';

        if ($size == 0) {
            $self->{whole} = 1;
            return;
        }
    }
}


1;

package Weir::Receiver;

# A receiver of webhooks that behaves as the path of the URL tells it.  What it
# got is written down, one JSON object a line, so that a test can read it.
#
#     my $r = Weir::Receiver->new(dir => $stack->dir);
#     my $url = $r->url('status/500/2/name');     # twice 500, then 204
#     $stack->wait_for(5, sub { $r->got('name') == 3 }, 'three tries');
#
# The last part of the path is the name under which it is found again.
#
#   ok/NAME               204
#   status/S/N/NAME       N times the status S, then 204
#   after/S/T/NAME        once the status S with "Retry-After: T", then 204
#   to/HOST/NAME          302 to http://HOST/
#   hang/N/NAME           N times no answer, then 204
#   drip/S/NAME           the status S, then one byte of the body each second
#   endless/S/NAME        the status S, and bytes without end
#   heads/NAME            200, and headers without end
#   lf/NAME               200, lines that end without CR
#   half/NAME             200 and half of the headers, then nothing
#
# connections() counts all that were made, whatever came over them.

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Socket::IP;
use JSON::PP;
use Time::HiRes qw(time sleep);


sub new {
    my ($class, %o) = @_;

    my $host = $o{host} // '127.0.0.1';
    my $listen = IO::Socket::IP->new(LocalHost => $host, LocalPort => 0,
                                     Listen => 128, ReuseAddr => 1)
        or die "receiver: $@";

    my $self = bless {
        host => $host, port => $listen->sockport, owner => $$,
        file => "$o{dir}/receiver-" . $listen->sockport,
    }, $class;

    for my $name ($self->{file}, "$self->{file}-made") {
        open my $f, '>', $name or die "$name: $!";
        close $f;
    }

    $self->{pid} = fork // die "fork: $!";
    $self->serve($listen) if $self->{pid} == 0;

    return $self;
}


sub port        { $_[0]{port} }
sub connections { -s "$_[0]{file}-made" }

sub url {
    my ($self, $path) = @_;

    return "http://$self->{host}:$self->{port}/$path";
}


# got(NAME): what came, in order; all of it without a name

sub got {
    my ($self, $name) = @_;

    open my $f, '<', $self->{file} or die "$self->{file}: $!";
    seek $f, $self->{at} // 0, 0;

    while (defined(my $line = <$f>)) {
        last if $line !~ /\n\z/;                # it is just being written
        push @{ $self->{got} }, decode_json($line);
        $self->{at} = tell $f;
    }

    return grep { !defined $name || $_->{path} =~ m{/\Q$name\E$} }
           @{ $self->{got} // [] };
}


sub serve {
    my ($self, $listen) = @_;

    $SIG{$_} = 'DEFAULT' for qw(TERM INT);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    setpgrp;

    while (1) {
        my $c = $listen->accept or next;

        open my $made, '>>', "$self->{file}-made" or die "$!";
        print $made '.';
        close $made;

        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            close $listen;
            alarm 120;
            eval { 1 while $self->serve_one($c) };
            require POSIX;
            POSIX::_exit(0);
        }

        close $c;
    }
}


sub serve_one {
    my ($self, $c) = @_;

    my $head = '';

    while ($head !~ /\r\n\r\n/) {
        sysread $c, $head, 65536, length $head or return 0;
    }

    ($head, my $body) = split /\r\n\r\n/, $head, 2;
    my ($line, @lines) = split /\r\n/, $head;
    my %header = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } @lines;

    while (length $body < ($header{'content-length'} // 0)) {
        sysread $c, $body, 65536, length $body or return 0;
    }

    my ($method, $path) = $line =~ m{^(\w+) /(\S*)} or return 0;
    my $n = $self->note({ time => time, method => $method, path => "/$path",
                          headers => \%header, body => $body });

    return answer($c, $n, split m{/}, $path);
}


# note(WHAT): writes it down; how many came to this path before

sub note {
    my ($self, $what) = @_;

    open my $f, '+>>', $self->{file} or die "$self->{file}: $!";
    flock $f, LOCK_EX;
    seek $f, 0, 0;

    my $path = encode_json([$what->{path}]) =~ s/^\[|\]$//gr;
    my $before = grep { /"path":\Q$path\E/ } <$f>;

    print $f encode_json($what), "\n";
    close $f;

    return $before;
}


sub say_status {
    my ($c, $status, @headers) = @_;

    push @headers, 'Content-Length: 0' if $status != 204;
    print $c join("\r\n", "HTTP/1.1 $status X", @headers, '', '');
    $c->flush;

    return 1;
}


sub answer {
    my ($c, $before, $how, @rest) = @_;

    if ($how eq 'status' && $before < $rest[1]) {
        return say_status($c, $rest[0]);
    }

    if ($how eq 'after' && $before == 0) {
        return say_status($c, $rest[0], "Retry-After: $rest[1]");
    }

    if ($how eq 'to') {
        return say_status($c, 302, "Location: http://$rest[0]/");
    }

    if ($how eq 'hang' && $before < $rest[0]) {
        sleep 100;
        return 0;
    }

    if ($how eq 'drip' || $how eq 'endless') {
        print $c "HTTP/1.1 $rest[0] X\r\nContent-Length: 1000000000\r\n\r\n";

        while ($c->flush) {
            print $c $how eq 'drip' ? 'x' : 'x' x 65536 or return 0;
            sleep 1 if $how eq 'drip';
        }

        return 0;
    }

    if ($how eq 'heads') {
        print $c "HTTP/1.1 200 X\r\n";
        1 while print $c 'X-Long: ', 'x' x 1000, "\r\n";
        return 0;
    }

    if ($how eq 'lf') {
        print $c "HTTP/1.1 200 X\nContent-Length: 0\n\n";
        $c->flush;
        return 1;
    }

    if ($how eq 'half') {
        print $c "HTTP/1.1 200 X\r\nX-Half: 1\r\n";
        $c->flush;
        sleep 100;
        return 0;
    }

    return say_status($c, 204);
}


sub DESTROY {
    my ($self) = @_;

    return if $$ != $self->{owner};

    local ($?, $@, $!);

    kill 'KILL', -$self->{pid};
    waitpid $self->{pid}, 0;
}


1;

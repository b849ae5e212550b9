# Odd requests and odd configurations before the gate.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'return 404;',
                             weir_redis => '127.0.0.1:9',
                             http => <<'END', server => <<'END2');
    weir_limit_zone $remote_addr$http_x zone=many:1m quota=1000/month;
    weir_limit_zone $request_uri$http_x zone=uri:1m quota=1000/month;
END
    weir_auth on;
    weir_limit zone=many;
    weir_limit zone=uri;
    error_page 400 414 494 505 /error?why=bad;
    location /open { weir_auth off; return 200 "open\n"; }
END2

$stack->keys;
$stack->start('nginx');

# raw(TEXT): the whole answer

sub raw {
    my ($text) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $stack->port) or die "$!";
    print $s $text;
    local $/;
    return scalar <$s>;
}

# before a request has a line or a list of headers, there is an error page

for my $bad ("bad\r\n\r\n", "G\@T / HTTP/1.1\r\n\r\n", "\x16\x03\x01\r\n\r\n",
             "GET / HTTP/9.9\r\n\r\n", "GET /" . 'x' x 70000 . "\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
             "GET / HTTP/1.1\r\nA: " . 'x' x 70000 . "\r\n\r\n")
{
    like(raw($bad), qr/\bunauthenticated\b/,
         'error page of: ' . substr $bad =~ s/[^ -~]+/ /gr, 0, 30);
}

$stack->end;
done_testing;

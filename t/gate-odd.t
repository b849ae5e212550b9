# Odd requests and odd configurations before the gate.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $up = Weir::Stack::free_port();

my $stack = Weir::Stack->new(location => 'return 404;',
                             weir_redis => '127.0.0.1:9',
                             http => <<END, server => <<END2);
    weir_limit_zone \$remote_addr\$http_x zone=many:1m quota=1000/month;
    weir_limit_zone \$request_uri\$http_x zone=uri:1m quota=1000/month;
    weir_limit_zone \$http_k zone=one:1m quota=1/month;
    server {
        listen 127.0.0.1:$up;
        location /login { return 200; }
        location /200 { return 200 "instead\\n"; }
        location /503 { add_header Retry-After 7 always; return 503; }
        location /429 { add_header Retry-After 7 always; return 429; }
    }
END
    weir_auth on;
    weir_limit zone=many;
    weir_limit zone=uri;
    error_page 400 414 494 505 /error?why=bad;
    location /page/ { weir_auth off; weir_limit zone=one;
                      error_page 429 /sorry; return 200; }
    location /sorry { weir_auth off; return 200 "sorry\\n"; }
    location /instead/ { weir_auth off; weir_limit zone=one;
                         error_page 429 = \@instead; return 200; }
    location \@instead { weir_auth off; rewrite ^/instead(.*) \$1 break;
                         proxy_pass http://127.0.0.1:$up; }
    location /login { error_page 401 = \@instead; return 403; }
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

# what is said of a refusal is not said of what an error page makes of it

sub refused {
    my ($path) = @_;

    return (map { $stack->ask($path, no_key => 1, headers => ["K: $path"]) }
                1 .. 2)[1];
}

my $c = refused('/page/');
is($c->status, 429, 'the page of a refusal');
like($c->header('Retry-After'), qr/^\d+$/, 'says when to come again');
like($c->header('retry-after-ms'), qr/^\d+$/, 'to the millisecond');

for (['/instead/200', 200, undef], ['/instead/503', 503, 7],
     ['/instead/429', 429, 7], ['/login', 200, undef])
{
    my ($path, $status, $again) = @$_;

    $c = refused($path);
    is($c->status, $status, "$path: another answer");
    is($c->header('Retry-After'), $again, 'which says itself when');
    is($c->header($_), undef, "and no $_") for qw(retry-after-ms
                                                  x-should-retry);
}

$stack->end;
done_testing;

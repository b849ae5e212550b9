# /livez and /readyz: with Redis, without it, and while the process leaves.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;', processes => 1,
    server => 'location = /livez { weir_livez; }
               location = /readyz { weir_readyz; }
               location = /redirected { rewrite ^ /readyz last; }');


sub health {
    my ($path, %o) = @_;

    return $stack->ask($path, no_key => 1, %o);
}


sub becomes {
    my ($status, $text) = @_;

    $stack->wait_for(10, sub { health('/readyz')->status == $status },
                     "readyz $status");

    my $c = health('/readyz');
    is($c->body, $text, "/readyz: $status, $text" =~ s/\n//r);
    is($c->header('Content-Type'), 'text/plain', 'text');
    is($c->header('Cache-Control'), 'no-store', 'not cached');
    like($c->header('X-Request-Id'), qr/^[0-9a-f]{32}$/, 'an id');

    $c = health('/readyz', method => 'HEAD');
    is($c->status, $status, 'HEAD');
    is($c->body, '', 'without a body');

    is(health('/redirected')->status, $status, 'after a redirect');
    is(health('/livez')->status, 200, '/livez: 200');
    is(health('/livez')->body, "ok\n", 'ok');
}


# nginx starts without Redis, and finds it later

$stack->start('nginx');
becomes(503, "no connection to redis\n");

$stack->start('redis');
becomes(200, "ok\n");

$stack->stop('redis');
becomes(503, "no connection to redis\n");

$stack->start('redis');
becomes(200, "ok\n");

$stack->signal('redis', 'KILL');
becomes(503, "no connection to redis\n");

$stack->start('redis');
becomes(200, "ok\n");


# a connection that is open already asks a process that leaves

my $c = Weir::Client->new(port => $stack->port, raw =>
    "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
$c->wait(5);
is($c->status, 200, 'ready before it leaves');

# a held request keeps the process, and its connection's second request tells

my $held = $stack->request('/v1/chat/completions',
    body => '{"model":"m","messages":[{"role":"user","content":"Hi"}]}');
$stack->wait_for(5, sub {
    @{ $stack->redis('KEYS', 'weir:{0}:run:*') } == 1;
}, 'the job');

my $second = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                   PeerPort => $stack->port);
syswrite $second, "GET /readyz HTTP/1.1\r\nHost: x\r\n";
is(health('/livez')->status, 200, 'so the second one was accepted before');

$stack->signal('nginx', 'QUIT');
$stack->wait_log('nginx', qr/gracefully shutting down/, 5);
syswrite $second, "Connection: close\r\n\r\n";

local $/;
like(<$second>, qr{\AHTTP/1\.1 503 .*\r\n\r\nleaving\n}s,
     'who leaves is not ready');

$held->close;
is($stack->wait_exit('nginx', 10), 0, 'and goes');

$stack->end;

done_testing();

# Every error in the dialect of its route, also those that nginx itself finds
# before anybody else: never HTML, never without an id.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    http => 'client_max_body_size 1k; large_client_header_buffers 4 2k;
             client_header_timeout 1s; client_body_timeout 1s;
             limit_req_zone $arg_limit zone=few:64k rate=1r/m;',
    server => <<'END');
    location /limited/ { limit_req zone=few; weir_api; }
    location /denied/ { deny all; weir_api; }
    location /dressed/ { error_page 401 404 413 503 /page; weir_api; }
    location /page { return 200 "page of the operator"; }
    location = /livez { weir_livez; }
    location = /metrics { weir_metrics; }
    location = /readyz { weir_readyz; }
    location /open { return 200 "open"; }
    location = /gone { return 404; }
END

$stack->start('redis', 'nginx');

my $auth = $stack->auth;
my %dialect = (openai => '/v1/chat/completions', anthropic => '/v1/messages',
               problem => '/v1/jobs');

my %kind = (400 => 'invalid', 401 => 'unauthenticated', 404 => 'not-found',
            405 => 'method', 413 => 'too-large', 414 => 'uri-too-long',
            415 => 'media-type', 429 => 'rate-limited', 403 => 'forbidden',
            408 => 'request-timeout', 501 => 'not-implemented',
            503 => 'unavailable', 500 => 'internal');


# says(CLIENT, NAME, STATUS, DIALECT)

sub says {
    my ($c, $name, $status, $dialect) = @_;

    is($c->status, $status, "$name: $status") or return {};

    my $body = eval { decode_json($c->body) };
    ok($body, "$name: JSON") or diag($c->body), return {};

    my $id = $c->header('X-Request-Id') // '';
    like($id, qr/^[\w.-]{1,128}$/, "$name: an id");
    is($c->header('Cache-Control'), 'no-store', "$name: not cached");
    is($c->header('Content-Length'), length $c->body, "$name: its length");

    my $type = $dialect eq 'problem' ? 'application/problem+json'
                                     : 'application/json';
    is($c->header('Content-Type'), $type, "$name: media type");

    if ($dialect eq 'openai') {
        is_deeply([sort keys %$body], ['error'], "$name: one member");
        is_deeply([sort keys %{ $body->{error} }],
                  [qw(code message param type)], "$name: and four in it");
        ok(length $body->{error}{message}, "$name: a message");

    } elsif ($dialect eq 'anthropic') {
        is($body->{type}, 'error', "$name: type");
        like($body->{error}{type}, qr/^\w+_error$|^request_too_large$/,
             "$name: error type");
        ok(length $body->{error}{message}, "$name: a message");
        is($body->{request_id}, $id, "$name: its id");
        is($c->header('request-id'), $id, "$name: and in the header");

    } else {
        is($body->{type}, "urn:weir:problem:$kind{$status}", "$name: type");
        is($body->{status}, $status, "$name: status");
        ok(length $body->{title}, "$name: title");
        ok(length $body->{detail}, "$name: detail");
        is($body->{request_id}, $id, "$name: its id");
    }

    unlike($c->body, qr/nginx|html/i, "$name: nothing of nginx");

    return $body;
}


sub raw {
    my ($text) = @_;

    my $c = Weir::Client->new(port => $stack->port,
                              raw => $text =~ s/(?<!\r)\n/\r\n/gr);
    $c->wait(5);

    return $c;
}


for my $dialect (sort keys %dialect) {
    my $path = $dialect{$dialect};
    my @ask = ($path, body => '{}');

    # the body's size, as it is announced and as it comes

    says($stack->ask($path, body => 'x' x 2000), "$dialect, length", 413,
         $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nConnection: close\n"
             . "Transfer-Encoding: chunked\n\n"
             . "400\n" . 'x' x 1024 . "\n400\n" . 'x' x 1024 . "\n0\n\n"),
         "$dialect, chunks", 413, $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nConnection: close\n"
             . "Expect: 100-continue\nContent-Length: 5000\n\n"),
         "$dialect, 100-continue", 413, $dialect);

    # what is no HTTP

    says(raw("GET $path?" . 'x' x 3000 . " HTTP/1.1\nHost: x\n\n"),
         "$dialect, URI", 414, $dialect);
    says(raw("GET $path HTTP/1.1\nHost: x\nConnection: close\n"
             . 'X: ' . 'x' x 3000 . "\n\n"), "$dialect, header", 400,
         $dialect);
    says(raw("GET $path HTTP/1.1\nConnection: close\n\n"),
         "$dialect, no Host", 400, $dialect);
    says(raw("GET $path HTTP/1.1\nHost: x\nHost: y\nConnection: close\n\n"),
         "$dialect, two hosts", 400, $dialect);
    says(raw("GET $path HTTP/1.1\nHost: x\n$auth\nX: \0\n\n"),
         "$dialect, NUL", 400, $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nContent-Length: -1\n\n"),
         "$dialect, negative length", 400, $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nContent-Length: 2\n"
             . "Transfer-Encoding: chunked\n\n0\n\n"),
         "$dialect, length and chunks", 400, $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nConnection: close\n"
             . "Transfer-Encoding: gzip\n\n"),
         "$dialect, transfer coding", 501, $dialect);
    says(raw("POST $path HTTP/1.1\nHost: x\n$auth\nConnection: close\n"
             . "Transfer-Encoding: chunked\n\nzz\n"),
         "$dialect, bad chunk", 400, $dialect);

    # methods

    says(raw("TRACE $path HTTP/1.1\nHost: x\n$auth\nConnection: close\n\n"),
         "$dialect, TRACE", 405, $dialect);

    # no key

    says($stack->ask(@ask, no_key => 1), "$dialect, no key", 401, $dialect);

    # the operator's own limits

    says($stack->ask("/denied$path", body => '{}'), "$dialect, deny", 403,
         $dialect);

    $stack->ask("/limited$path?limit=$dialect", body => '{}');
    says($stack->ask("/limited$path?limit=$dialect", body => '{}'),
         "$dialect, limit_req", 503, $dialect);

    # error_page is not for the API, only for what nginx found

    says($stack->ask("/dressed$path", body => '{}', no_key => 1),
         "$dialect, error_page", 401, $dialect);

    my $c = $stack->ask("/dressed$path", body => 'x' x 2000);
    is($c->status, 413, "$dialect, error_page for nginx's error: 413");
    is($c->body, 'page of the operator', 'with the page');
}


# a request that comes too slowly

for my $path ('/v1/jobs', '/v1/chat/completions') {
    my $c = raw("POST $path HTTP/1.1\nHost: x\n$auth\nContent-Length: 9\n\n{");
    ok($c->done, "$path: a slow body is cut");
    is($c->status // 408, 408, "$path: with nothing else than 408");
}


# routes that do not exist, in the dialect of their neighbours

for (['/', 'problem'], ['/v1', 'problem'], ['/v2/jobs', 'problem'],
     ['/v1/jobs/', 'problem'], ['/v1/jobs/a/b', 'problem'],
     ['/v1/chat/', 'openai'], ['/v1/chat/completions/x', 'openai'],
     ['/v1/completions', 'openai'], ['/v1/embeddings', 'openai', 405],
     ['/v1/responses', 'openai', 405],
     ['/v1/responses/x', 'openai'], ['/v1/responses/x/y', 'openai'], ['/v1/chat/a/b', 'openai'],
     ['/v1/messages', 'anthropic', 405], ['/v1/messages/', 'anthropic'],
     ['/v1/messages/count_tokens', 'anthropic'],
     ['/v1/messages/batches/b', 'anthropic'],
     ['/V1/jobs', 'problem'], ['/favicon.ico', 'problem'],
     ["/v1/jobs/job_x\%00", 'problem', 400],
     ["/v1/jobs/job_%0d%0aX-Bad:%20x", 'problem'],
     ['/v1/models/%0d%0aX-Bad:%20x', 'openai', 503],
     ['/v1/jobs/' . 'x' x 500, 'problem'], ['/v1/jobs/%ff', 'problem'])
{
    my ($path, $dialect, $status) = @$_;
    my $c = $stack->ask($path);

    says($c, $path, $status // 404, $dialect);
    is($c->header('X-Bad'), undef, "$path: no header of the client's");
}


# methods: every route says what it has

my %allow = ('/v1/jobs' => 'GET, HEAD, POST, OPTIONS',
             '/v1/jobs/job_x' => 'GET, HEAD, DELETE, OPTIONS',
             '/v1/chat/completions' => 'POST, OPTIONS',
             '/v1/embeddings' => 'POST, OPTIONS',
             '/v1/messages' => 'POST, OPTIONS',
             '/v1/responses' => 'POST, OPTIONS',
             '/v1/responses/resp_x' => 'GET, HEAD, DELETE, OPTIONS',
             '/v1/responses/resp_x/cancel' => 'POST, OPTIONS',
             '/v1/models' => 'GET, HEAD, OPTIONS',
             '/v1/models/m' => 'GET, HEAD, OPTIONS');

for my $path (sort keys %allow) {
    my $dialect = $path =~ /jobs/ ? 'problem'
                  : $path =~ /messages/ ? 'anthropic' : 'openai';

    my $c = $stack->ask($path, method => 'OPTIONS');
    is($c->status, 204, "OPTIONS $path: 204");
    is($c->header('Allow'), $allow{$path}, "OPTIONS $path: Allow");
    is($c->body, '', 'no body');

    for my $method (qw(PUT PATCH PROPFIND FOO GET POST DELETE HEAD)) {
        next if $allow{$path} =~ /\b$method\b/;

        my $c = $stack->ask($path, method => $method);
        is($c->header('Allow'), $allow{$path}, "$method $path: Allow");

        if ($method eq 'HEAD') {
            is($c->status, 405, "HEAD $path: 405");
            is($c->body, '', "HEAD $path: no body");

        } else {
            says($c, "$method $path", 405, $dialect);
        }
    }
}

for (qw(/livez /readyz /metrics)) {
    my $c = $stack->ask($_, method => 'POST', body => 'x', no_key => 1);
    is($c->status, 405, "POST $_: 405");
    is($c->header('Allow'), 'GET, HEAD, OPTIONS', "POST $_: Allow");
}


# HEAD: as GET, without the body

for my $path ('/v1/models', '/v1/jobs/job_00' . 'a' x 22) {
    my $get = $stack->ask($path);
    my $head = $stack->ask($path, method => 'HEAD');

    is($head->status, $get->status, "HEAD $path: status of GET");
    is($head->header($_), $get->header($_), "HEAD $path: $_")
        for qw(Content-Type Content-Length Cache-Control);
    is($head->body, '', "HEAD $path: no body");
}


# a request line that nginx does not take, in a server with an API

says(raw("G\x01T /v1/chat/completions HTTP/1.1\nHost: x\n\n"), 'method', 400,
     'openai');
says(raw("GET  \n\n"), 'no path', 400, 'problem');


# the rest of the server is nginx's

my $c = $stack->ask('/open', no_key => 1);
is($c->body, 'open', 'another location');
is($c->header('X-Request-Id'), undef, 'has no id of ours');

$c = $stack->ask('/gone', no_key => 1);
is($c->status, 404, 'its 404');
like($c->body, qr/<html>/, "is nginx's own");


# several requests on one connection: errors do not break it

sub statuses {
    my $c = Weir::Client->new(port => $stack->port,
                              raw => $_[0] =~ s/(?<!\r)\n/\r\n/gr);
    $c->wait(5, sub { $_[0]{eof} });
    $c->close;

    return join ' ', $c->status // '',
                     "$c->{body}$c->{in}" =~ m{HTTP/1\.1 (\d+)}g;
}

my $request = "Host: x\n$auth\nContent-Type: application/json\n"
              . "Content-Length: 2\n";

is(statuses(join('', map { "POST $_ HTTP/1.1\n$request\n[]" }
                     '/v1/jobs', '/v1/none', '/v1/chat/completions')
            . "PUT /v1/models HTTP/1.1\n${request}Connection: close\n\n[]"),
   '400 404 400 405', 'bodies of refused requests are read');

is(statuses("POST /v1/jobs HTTP/1.1\nHost: x\nContent-Length: 2\n\n[]"
            . "GET /v1/none HTTP/1.1\nHost: x\n$auth\nConnection: close\n\n"),
   '401 404', 'also without a key');


# after a mistake of framing nothing more is taken from the connection

my $smuggled = "GET /smuggled HTTP/1.1\nHost: x\n$auth\n\n";

for (['length and chunks', "Content-Length: 4\nTransfer-Encoding: chunked"],
     ['two lengths', "Content-Length: 0\nContent-Length: 5"],
     ['a list of lengths', 'Content-Length: 0, 5'],
     ['a length with a sign', 'Content-Length: +0'],
     ['chunked twice', "Transfer-Encoding: chunked\n"
                       . 'Transfer-Encoding: chunked'],
     ['a coding before', 'Transfer-Encoding: gzip, chunked'],
     ['a space before the colon', 'Transfer-Encoding : chunked'],
     ['a line folded', "X: a\n b\nTransfer-Encoding: x"])
{
    my ($name, $headers) = @$_;
    my $got = statuses("POST /v1/jobs HTTP/1.1\nHost: x\n$auth\n$headers\n\n"
                       . "0\n\n$smuggled");

    like($got, qr/^(?:400|501)$/, "$name: one refusal");
}

unlike($stack->log('access'), qr/smuggled/, 'nothing was smuggled');

$stack->end;

done_testing();

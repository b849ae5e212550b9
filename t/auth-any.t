# weir_auth before a location of any kind: a file, "return", proxy_pass and
# fastcgi_pass; what it answers, and what "error_page" makes of that.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Keys;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'return 404;',
                             weir_redis => 'none');
my $d = $stack->dir;
my $up = Weir::Stack::free_port();

mkdir "$d/html";
Weir::Stack::write_file("$d/html/file.txt", "a file\n");
Weir::Stack::write_file("$d/html/401.txt", "a page\n");

$stack->{server} = <<END;
    root $d/html;
    set \$what \$request_method\$uri;
    if (\$what = OPTIONS/cors) { rewrite ^ /preflight last; }
    location /file.txt { weir_auth on; }
    location /return { weir_auth on; return 200 "returned"; }
    location /rewrite { weir_auth on; rewrite ^ /file.txt last; }
    location /proxy { weir_auth on; proxy_pass http://127.0.0.1:$up/; }
    location /fastcgi { weir_auth on; fastcgi_pass 127.0.0.1:$up; }
    location /any { weir_auth on; satisfy any; allow all; return 200 "any"; }
    location /deny { weir_auth on; satisfy any; deny all;
                     try_files /file.txt =404; }
    location /scope { weir_auth on scope=admin; return 200 "admin"; }
    location /page { weir_auth on; error_page 401 /401.txt; return 200; }
    location /named { weir_auth on; error_page 401 403 = \@named; return 200; }
    location \@named { return 202 "named"; }
    location /loop { weir_auth on; error_page 401 /return; return 200; }
    location /metrics { weir_auth on scope=metrics; weir_metrics; }
    location = /401.txt { }
    location /limited { weir_auth on; limit_except GET { deny all; } }
    location /accel { weir_auth on; proxy_pass http://127.0.0.1:$up; }
    location /missing { proxy_intercept_errors on; error_page 404 = /return;
                        proxy_pass http://127.0.0.1:$up; }
    location = /preflight { internal; add_header X-Preflight yes; return 204; }
    location /cors { weir_auth on; return 200 "cors"; }
    location /status { weir_auth on; error_page 400 401 = \@status;
                       return 200 "\$weir_auth_status"; }
    location \@status { return 200 "\$weir_auth_status \$weir_key_id"; }
    location /open { return 200 "open"; }
    location /nested { weir_auth on;
        location /nested/off { weir_auth off; return 200 "off"; }
        location /nested/on { return 200 "on"; }
        if (\$arg_x) { return 200 "if"; }
        return 200 "nested"; }
END

$stack->{http} = <<END;
    server {
        listen 127.0.0.1:$up;
        location / { return 200 "upstream"; }
        location /accel { add_header X-Accel-Redirect /scope; return 204; }
        location /missing { return 404; }
    }
    server_tokens off;
END

$stack->keys;
my $admin = "Authorization: Bearer $stack->{admin_key}";
my $metrics = 'X-API-Key: ' . $stack->create_key('prom', 'metrics');

$stack->start('nginx');


sub as {
    my ($path, @headers) = @_;

    return $stack->ask($path, no_key => 1, headers => [@headers]);
}


# without a key

for my $path (qw(/file.txt /return /rewrite /proxy /fastcgi /any /deny /scope
                 /nested /nested/on /nested?x=1 /metrics /loop
                 //file.txt /./return /x/../proxy /%66ile.txt /open/../any))
{
    my $c = as($path);

    is($c->status, 401, "$path: 401");
    is($c->header('WWW-Authenticate'), 'Bearer realm="weir"', 'challenge');
    is($c->header('Content-Type'), 'application/problem+json', 'type');
    is($c->header('Cache-Control'), 'no-store', 'not cached');
    is($c->header('x-should-retry'), 'false', 'not again');

    my $body = decode_json($c->body);
    is($body->{type}, 'urn:weir:problem:unauthenticated', 'type');
    is($body->{status}, 401, 'status');
    is($body->{request_id}, $c->header('X-Request-Id'), 'request id');
}

is(as('/open')->body, 'open', 'elsewhere nothing is asked');
is(as('/nested/off')->body, 'off', 'off below on');
is($stack->ask('/file.txt', no_key => 1, method => 'HEAD')->status, 401,
   'HEAD');
is($stack->ask('/return', no_key => 1, body => 'x' x 200_000)->status, 401,
   'with a body');


# with one

for (['/file.txt', "a file\n"], ['/return', 'returned'],
     ['/rewrite', "a file\n"], ['/proxy', 'upstream'], ['/any', 'any'],
     ['/nested', 'nested'], ['/nested/on', 'on'], ['/nested?x=1', 'if'])
{
    my ($path, $body) = @$_;
    my $c = as($path, $stack->auth);

    is($c->status, 200, "$path with a key");
    is($c->body, $body, 'its content');
    is($c->header('X-Request-Id'), undef, 'nothing is added');
}

is(as('/deny', $stack->auth)->status, 403, 'the other rule still holds');
unlike(as('/deny', $stack->auth)->body, qr/problem/, 'and is none of ours');

my $c = as('/scope', $stack->auth);
is($c->status, 403, 'the scope is missing');
is($c->header('WWW-Authenticate'), 'Bearer realm="weir", '
   . 'error="insufficient_scope", scope="admin"', 'challenge');
is(decode_json($c->body)->{status}, 403, 'body');
is(as('/scope', $admin)->body, 'admin', 'with the scope');

is(as('/metrics', $admin)->status, 403, 'metrics have a scope of their own');
like(as('/metrics', $metrics)->body, qr/^weir_requests_total \d+$/m, 'metrics');


# AK-21: other ways into a location

is(as('/accel')->status, 401, 'AK-21: X-Accel-Redirect, no key');
is(as('/accel', $stack->auth)->status, 403,
   'AK-21: X-Accel-Redirect to a location that wants more');
is(as('/accel', $admin)->body, 'admin', 'AK-21: and with more');
is(as('/missing')->status, 401, 'AK-21: an error of the upstream');
is(as('/missing', $stack->auth)->body, 'returned', 'AK-21: with a key');

is($stack->ask('/limited', no_key => 1, method => 'POST')->status, 401,
   'limit_except, no key');
is($stack->ask('/limited', method => 'POST')->status, 403,
   'limit_except, with a key');

my $old = $stack->ask('/', no_key => 1, raw => "GET /return\r\n");
$old->wait(5, sub { $_[0]{eof} });
like($old->{in}, qr/^\{"type":"urn:weir:problem:unauthenticated"/,
     'a request without any header');


# AK-14: a preflight has no key, and is refused unless the server says otherwise

is($stack->ask('/return', no_key => 1, method => 'OPTIONS')->status, 401,
   'AK-14: refused');
my $preflight = $stack->ask('/cors', no_key => 1, method => 'OPTIONS');
is($preflight->status, 204, 'AK-14: answered, where it is configured');
is($preflight->header('X-Preflight'), 'yes', 'as it is configured');
is(as('/cors')->status, 401, 'AK-14: the request itself needs a key');


# error pages

$c = as('/page');
is($c->status, 401, 'error_page: the status');
is($c->body, "a page\n", 'error_page: the page, not our body');
is($c->header('WWW-Authenticate'), 'Bearer realm="weir"', 'challenge');

$c = as('/named');
is($c->status, 202, 'error_page with a named location');
is($c->body, 'named', 'its body');

$c = as('/loop');
is(() = $c->head =~ /^WWW-Authenticate/mig, 1, 'one challenge, once');

my $many = $stack->ask('/return', no_key => 1,
                       headers => [$stack->auth, "X-API-Key: $stack->{key}"]);
is($many->status, 400, 'two keys');
is(decode_json($many->body)->{code}, 'invalid_request', 'its code');


# what a log is told

my $expires = time + 2;
my $expired = $stack->create_key('carol', 'read', '--expires', $expires);
my ($revoked, $id) = map { $_, /^weir_live_([^_]+)_/ }
                     $stack->create_key('dave', 'read');
system("$stack->{build}/weir", 'keys', 'revoke', '--file', "$d/keys", $id) == 0
    or die 'revoke';

is(as('/status', $stack->auth)->body, 'OK', '$weir_auth_status: OK');
is(as('/status')->body, 'MISSING ', 'MISSING');
is(as('/status', 'X-API-Key: x')->body, 'MALFORMED ', 'MALFORMED');
is(as('/status', $stack->auth, 'X-API-Key: x')->body, 'SEVERAL ', 'SEVERAL');
is(as('/status', 'X-API-Key: ' . Weir::Keys->new(pepper => "$d/pepper")
                                           ->with_id('a' x 12))->body,
   'UNKNOWN ', 'UNKNOWN');

my @same = map {
    my ($status, $key) = @$_;
    $stack->wait_for(5, sub {
        as('/status', "X-API-Key: $key")->body eq "$status ";
    }, $status);
    my $c = as('/return', "X-API-Key: $key");
    is($c->status, 401, "$status: 401");
    $c->body =~ s/"request_id":"\w+"//r;
} ['EXPIRED', $expired], ['REVOKED', $revoked],
  ['UNKNOWN', Weir::Keys->new(pepper => "$d/pepper")->with_id('a' x 12)];

is($same[0], $same[1], 'AK-02: expired or revoked, the same words');
is($same[0], $same[2], 'AK-02: or unknown');

$stack->end;

done_testing();

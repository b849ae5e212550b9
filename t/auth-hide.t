# What others see of a request with a key: upstreams, subrequests, variables and
# logs see whose it is, and never the key (AK-07, AK-15, AK-16).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'return 404;',
                             weir_redis => '127.0.0.1:9');
my $d = $stack->dir;
my $up = Weir::Stack::free_port();
my $h2 = Weir::Stack::free_port();

mkdir "$d/html";
Weir::Stack::write_file("$d/html/page.shtml",
                        "page<!--#include virtual=\"/inner\" -->end\n");
Weir::Stack::write_file("$d/html/open.shtml",
    "1<!--#include virtual=\"/proxy/1\" wait=\"yes\" -->2"
    . "<!--#include virtual=\"/raw/\" wait=\"yes\" -->3\n");

my $seen = 'auth=$http_authorization key=$http_x_api_key '
           . 'owner=$http_x_weir_owner id=$http_x_weir_key_id '
           . 'tier=$http_x_weir_tier user=$remote_user';

$stack->{http} = <<END;
    log_format seen '\$uri \$args "\$request" \$request_uri $seen '
                    'who=\$weir_owner/\$weir_key_id/\$weir_tier '
                    'was=\$before';
    access_log $d/seen.log seen;
    underscores_in_headers on;
    error_log $d/seen-error.log info;

    server {
        listen 127.0.0.1:$up;
        access_log off;
        client_header_buffer_size 32k;
        default_type text/plain;
        location / { echo -n \$echo_client_request_headers; }
    }

    map \$http_authorization \$before { default ""; "~." "$up"; }
END

$stack->{server} = <<END;
    listen 127.0.0.1:$h2 http2;
    root $d/html;
    default_type text/html;
    types { }
    set \$early \$http_authorization;
    weir_auth on;

    location /proxy { proxy_pass http://127.0.0.1:$up; }
    location /vars { return 200 "$seen early=\$early"; }
    location /own { proxy_set_header X-Weir-Owner mine;
                    proxy_pass http://127.0.0.1:$up; }
    location /redirect { try_files /none /proxy/again; }
    location /named { error_page 418 = \@named; return 418; }
    location \@named { proxy_pass http://127.0.0.1:$up; }
    location /mirror { mirror /mirrored; proxy_pass http://127.0.0.1:$up; }
    location = /mirrored { internal; proxy_pass http://127.0.0.1:$up; }
    location /page.shtml { ssi on; }
    location /inner { proxy_pass http://127.0.0.1:$up; }
    location /open.shtml { weir_auth off; ssi on; }
    location /raw { weir_auth off; proxy_pass http://127.0.0.1:$up; }
    location /asked { weir_auth off; auth_request /ask;
                      proxy_pass http://127.0.0.1:$up; }
    location = /ask { internal; return 204; }
    location /refused { weir_auth on scope=admin;
                        error_page 401 403 = \@refused; return 200; }
    location \@refused { weir_auth off; proxy_pass http://127.0.0.1:$up; }
    location /fcgi { fastcgi_pass 127.0.0.1:$up; }
END

my $key = $stack->key;
my ($id, $secret) = $key =~ /^weir_[a-z0-9]+_([^_]+)_([^_]+)_/;

$stack->start('nginx');


sub as {
    my ($path, @headers) = @_;

    return $stack->ask($path, no_key => 1, headers => [@headers]);
}

# the headers that the upstream got, without those of the hop

sub lines {
    my ($head) = @_;

    return [sort grep { !/^(?:Host|Connection): / }
                 grep { length } split /\r\n/, $head =~ s/^.*?\r\n//r];
}

my @ours = ("X-Weir-Key-Id: $id", 'X-Weir-Owner: alice',
            'X-Weir-Tier: default');


# every place in the list, and many of them

my @other = map { "A$_: $_" } 10 .. 60;

for my $n (0, 1, 2, 17, 18, 19, 20, 21, 38, 39, 40, 51) {
    for my $carrier ("Authorization: Bearer $key", "X-API-Key: $key") {
        my @headers = @other;
        splice @headers, $n, 0, $carrier;

        is_deeply(lines(as('/proxy', @headers)->body), [sort @other, @ours],
                  "AK-15: hidden at place $n: " . $carrier =~ s/:.*//r);
    }
}

for my $n (0 .. 22) {
    my @headers = @other[0 .. $n];
    my $c = as('/proxy', @headers, "X-API-Key: $key");

    is_deeply(lines($c->body), [sort @headers, @ours], "of $n others");
}

my @client = ('X-Weir-Owner: root', 'x-weir-owner: root', 'X_Weir_Owner: root',
              'X-Weir_Owner: root', 'X-WEIR-KEY-ID: root', 'X_Weir_Key_Id: r',
              'X-Weir-Tier: gold', 'X_WEIR_TIER: gold', 'X_API_Key: weir_x');

is_deeply(lines(as('/proxy', @client, "X-API-Key: $key")->body), [sort @ours],
          "AK-15: the client's copies go");
is_deeply(lines(as('/proxy', "X-API-Key: $key", @client)->body), [sort @ours],
          'also after the key');
is_deeply(lines(as('/proxy', map({ ($_, "A: 1") } @client),
                   "X-API-Key: $key")->body),
          [('A: 1') x @client, sort @ours], 'and between others');
is_deeply(lines(as('/proxy', "X-API-Key: $key", 'X-Weir-Own: x',
                   'X-Weir-Owners: y', 'X-Weir: z')->body),
          [sort 'X-Weir-Own: x', 'X-Weir-Owners: y', 'X-Weir: z', @ours],
          'what only looks alike stays');
is_deeply(lines(as('/proxy', "X-API-Key: $key",
                   'Authorization: Basic dTpw')->body),
          [sort 'Authorization: Basic dTpw', @ours],
          'as does an authorization of another scheme');
is_deeply(lines(as('/own', "X-API-Key: $key")->body),
          [sort 'X-Weir-Owner: mine', grep { !/owner/i } @ours],
          'proxy_set_header has the last word');


# other ways to an upstream

for my $path (qw(/redirect /named /mirror /inner)) {
    is_deeply(lines(as($path, "X-API-Key: $key", @client)->body),
              [sort @ours], "AK-15: $path");
}

my $page = as('/page.shtml', "Authorization: Bearer $key", @client)->body;
like($page, qr/^pageGET .*end$/s, 'a subrequest to an upstream');
like($page, qr/^X-Weir-Owner: alice\r$/m, 'says who it is');
unlike($page, qr/\Q$secret\E|root/, 'and nothing else');

$page = as('/open.shtml', "Authorization: Bearer $key", @client)->body;
like($page, qr/^1GET .*2GET .*3$/s, 'a gate in a subrequest');
unlike($page, qr/\Q$secret\E|root/,
       'hides the key from the requests that follow');

my $asked = as('/asked', "Authorization: Bearer $key", @client)->body;
is_deeply(lines($asked), [sort @ours], 'auth_request to a gate');
is(as('/asked')->status, 401, 'auth_request without a key');
is(as('/asked')->header('WWW-Authenticate'), 'Bearer realm="weir"',
   'and its challenge');

for ("X-API-Key: $key", 'X-API-Key: weir_live_bad', 'Authorization: Bearer x') {
    unlike(as('/refused', $_)->body, qr/Bearer|weir_live/,
           'a key that was refused is hidden too');
}


# variables

my $vars = as('/vars', "X-API-Key: $key", @client)->body;
is($vars, "auth= key= owner=alice id=$id tier=default user= early=",
   'variables');

$vars = as('/vars', "Authorization: Bearer $key")->body;
like($vars, qr/^auth= key= owner=alice/,
     'also where one was used before the gate');


# in the URI

for my $path ("/vars?api_key=$key", "/vars?a=$key&b=$key&c", "/vars?x$key") {
    is(as($path)->status, 401, 'AK-07: a key in the query is none');
}

is(as("/vars?a=$key", "X-API-Key: $key")->status, 200, 'beside a good one');
like(as("/proxy?a=$key&b=1", "X-API-Key: $key")->body,
     qr/^GET \/proxy\?a=weir_live_${id}_\*{43}_\w{6}&b=1 HTTP/,
     'AK-07: the upstream sees which one it was');


# HTTP/2

sub h2 {
    my ($path, @headers) = @_;

    my @args = map { ('-H', $_) } @headers;
    open my $f, '-|', 'curl', '-s', '--http2-prior-knowledge', @args,
                "http://127.0.0.1:$h2$path" or die "curl: $!";
    local $/;
    return <$f> // '';
}

is_deeply(lines(h2('/proxy', "authorization: Bearer $key", @client, 'A: 1')),
          [sort 'a: 1', 'accept: */*', "user-agent: @{[ agent() ]}", @ours],
          'AK-15: HTTP/2');
h2("/vars?api_key=$key", "x-api-key: $key");

sub agent { `curl --version` =~ /^(curl) (\S+)/ ? "$1/$2" : '' }


# keys that are none of ours, and the body that arrives with the request

is($stack->ask('/proxy', body => 'x' x 300_000)->status, 200, 'a body');


# what was written of it all

my $log = Weir::Stack::slurp("$d/seen.log");

like($log, qr{^/proxy - "GET /proxy .* auth=- key=- owner=alice id=$id }m,
     'the log says who');
like($log, qr{^/proxy .* who=alice/$id/default }m, 'also in our variables');
unlike($log, qr/\Q$secret\E/, 'AK-16: no key in the access log');
unlike($log, qr/root|gold/, "and none of the client's claims");

for my $name ('seen-error.log', 'nginx.log') {
    unlike(Weir::Stack::slurp("$d/$name"), qr/\Q$secret\E/,
           "AK-16: no key in $name");
}

$stack->end;

done_testing();

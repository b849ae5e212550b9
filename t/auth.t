# Who gets in: keys in their header, and nobody by any other way (AK-01 to
# AK-08, AK-20 to AK-22).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', server => <<'END');
    location /any/ { satisfy any; allow all; weir_api; }
    location /none/ { deny all; satisfy any; weir_api; }
    location /return/ { return 200 "open"; weir_api; }
    location /llm/ { weir_api; }
    location /LLM/ { return 200 "other"; }
    location /plain { return 200 "plain"; }
    location /to { rewrite ^ /v1/models last; }
    location /try { try_files /missing /v1/models; }
    location /page { error_page 404 = /v1/models; return 404; }
    location /refused { error_page 401 403 = /plain; weir_api; }
    location /named { error_page 418 = @other; return 418; }
    location @other { proxy_pass http://127.0.0.1:9; }
END

$stack->start('redis', 'nginx');

my $key = $stack->key;
my $bearer = "Authorization: Bearer $key";
my $d = $stack->dir;

sub key_of { $stack->create_key(@_) =~ s/\n//r }

my $expired = key_of('carol', 'submit,read', '--expires', '1s');
my $reader  = key_of('dave', 'read');
my $sender  = key_of('dave', 'submit');
my $revoked = key_of('erin', 'submit,read');
my $unknown = do {
    my $other = Weir::Stack->new;
    $other->key;
};

my ($id) = $revoked =~ /^weir_[a-z0-9]+_([^_]+)_/;
system("$stack->{build}/weir", 'keys', 'revoke', '--file', "$d/keys", $id) == 0
    or die 'revoke';

$stack->stop('nginx');
$stack->start('nginx');


sub as {
    my ($path, @headers) = @_;

    return $stack->ask($path, no_key => 1, headers => [@headers]);
}


# accepted

for ("Authorization: Bearer $key", "authorization: bearer $key",
     "AUTHORIZATION: BEARER $key", "Authorization: bEaReR   $key",
     "X-API-Key: $key", "x-api-key: $key", "X-Api-Key:$key",
     "X-API-Key:  $key  ")
{
    is(as('/v1/jobs/job_x', $_)->status, 404,
       'AK-06: accepted: ' . s/weir_.*/KEY/r);
}

is(as('/v1/jobs/job_x', 'Authorization: Basic dTpw',
      "X-API-Key: $key")->status, 404, 'another scheme beside X-API-Key');


# refused(NAME, ERROR of the challenge or undef, HEADER...)

sub refused {
    my ($name, $error, @headers) = @_;

    my $c = as('/v1/jobs/job_x', @headers);

    is($c->status, 401, "$name: 401");
    my $challenge = $c->header('WWW-Authenticate') // '';
    like($challenge, qr/^Bearer realm="weir"/, "$name: challenge");

    if (defined $error) {
        like($challenge, qr/error="$error"/, "$name: $error");
    } else {
        unlike($challenge, qr/error=/, "$name: no error in the challenge");
    }

    is($c->header('Content-Type'), 'application/problem+json', 'problem');
    is($c->header('Cache-Control'), 'no-store', 'not cached');
    is($c->header('x-should-retry'), 'false', 'not again');

    my $body = decode_json($c->body);
    is($body->{type}, 'urn:weir:problem:unauthenticated', 'type');
    is($body->{status}, 401, 'status');
    is($body->{request_id}, $c->header('X-Request-Id'), 'request id');

    return $c;
}

refused('AK-01: no key', undef);
refused('no key, other scheme', undef, 'Authorization: Basic dTpw');
refused('scheme without a key', undef, 'Authorization: Bearer');
refused('Digest', undef, "Authorization: Digest $key");

my $wrong = substr($key, 0, -1) . ($key =~ /A$/ ? 'B' : 'A');
my $bad = 'invalid_token';

refused('AK-04: empty X-API-Key', $bad, 'X-API-Key:');
refused('AK-04: one character', $bad, 'X-API-Key: x');
refused('AK-03: bad checksum', $bad, "Authorization: Bearer $wrong");
refused('AK-02: unknown key', $bad, "Authorization: Bearer $unknown");
$stack->wait_for(5, sub {
    as('/v1/jobs/job_x', "Authorization: Bearer $expired")->status == 401;
}, 'expiry');

refused('AK-02: expired', $bad, "Authorization: Bearer $expired");
refused('AK-02: revoked', $bad, "Authorization: Bearer $revoked");
refused('AK-04: cut', $bad, 'Authorization: Bearer ' . substr $key, 0, -8);
refused('longer', $bad, "Authorization: Bearer ${key}A");
refused('upper case', $bad, 'Authorization: Bearer ' . uc $key);
refused('quoted', $bad, qq(Authorization: Bearer "$key"));
refused('two words', $bad, "Authorization: Bearer $key $key");
refused('AK-04: not ASCII', $bad, "X-API-Key: \xc3\xa4\xff");
refused('AK-04: long', $bad, 'X-API-Key: ' . 'w' x 7000);
refused('AK-04: tab in it', $bad, "X-API-Key: weir\tlive");

is(as('/v1/jobs/job_x', "X-API-Key: $key\0")->status, 400, 'AK-04: NUL: 400');
is(as('/v1/jobs/job_x', 'X-API-Key: ' . 'w' x 40000)->status, 400,
   'a header that nginx does not take');


# one key, once

for (['twice', $bearer, $bearer], ['both headers', $bearer, "X-API-Key: $key"],
     ['X-API-Key twice', "X-API-Key: $key", "X-API-Key: $key"],
     ['good and bad', $bearer, 'X-API-Key: x'],
     ['bad and good', 'Authorization: Bearer x', $bearer])
{
    my ($name, @headers) = @$_;
    my $c = as('/v1/jobs/job_x', @headers);

    is($c->status, 400, "AK-05: $name: 400");
    is(decode_json($c->body)->{type}, 'urn:weir:problem:invalid',
       "$name: a problem");

    # a second Authorization is refused by nginx itself

    next if grep({ /^Authorization/ } @headers) > 1;

    is(decode_json($c->body)->{code}, 'invalid_request', "$name: its code");
    like($c->header('WWW-Authenticate'), qr/error="invalid_request"/,
         "$name: challenge");
}


# scopes

for (['jobs', 'POST', '/v1/jobs', $reader, 'submit'],
     ['chat', 'POST', '/v1/chat/completions', $reader, 'submit'],
     ['look', 'GET', '/v1/jobs/job_x', $sender, 'read'],
     ['cancel', 'DELETE', '/v1/jobs/job_x', $reader, 'cancel'])
{
    my ($name, $method, $path, $as, $scope) = @$_;
    my $c = $stack->ask($path, method => $method, no_key => 1,
                        headers => ["Authorization: Bearer $as"]);

    is($c->status, 403, "AK-08: $name without the scope $scope");
    is($c->header('WWW-Authenticate'), 'Bearer realm="weir", '
       . qq(error="insufficient_scope", scope="$scope"), 'challenge');
    like($c->body, qr/\Q\"$scope\"/, 'and says which');
}

is(as('/v1/jobs/job_x', "Authorization: Bearer $reader")->status, 404,
   'with the scope');


# not in the query, and not into the log

my $c = as("/v1/jobs/job_x?api_key=$key&key=$key");
is($c->status, 401, 'AK-07: a key in the query is none');
as('/v1/jobs/job_x', $bearer);


# no way round

for ('/any/v1/models', '/none/v1/models', '/return/v1/models', '/to', '/try',
     '/page', '/v1/models/', '//v1/models', '/v1//models', '/./v1/models',
     '/v1/%2e%2e/v1/models', '/v1/../v1/models', '/%76%31/models',
     '/v1/models?x=1', '/v1/models#x', '/llm/v1/models', '/llm/../v1/models',
     '/LLM/../llm/v1/models', '/plain/../v1/models', '/V1/models', '/v1/x',
     '/', '/robots.txt', '/v1/jobs', '/v1/models%00', '/v1/models%2f')
{
    my $c = as($_);
    my $row = m{^/(?:any|none)/} ? 'AK-20' : m{^/(?:to|try|page)$} ? 'AK-21'
                                                                   : 'AK-22';
    like($c->status, qr/^(?:401|400)$/, "$row: $_: no key, no entry");
    unlike($c->body, qr/open|html/, "$_: and no page of nginx");
}

for my $target ('http://localhost/v1/models', 'HTTP://LOCALHOST/v1/models',
                'http://localhost//v1/models')
{
    my $c = $stack->ask('/', no_key => 1, raw =>
        "GET $target HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    is($c->status, 401, "AK-22: $target: no key, no entry");
}

for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND FOO)) {
    is($stack->ask('/v1/models', method => $method, no_key => 1)->status, 401,
       "$method without a key");
}

# the same ways with a key

for ('/any/v1/models', '/to', '/try', '//v1/models', '/v1/%2e%2e/v1/models',
     '/llm/v1/models')
{
    is(as($_, $bearer)->status, 503, "$_ with a key: no worker yet");
}

is(as('/refused/v1/models')->status, 401,
   'error_page does not replace a refusal');
is(as('/plain')->body, 'plain', 'other locations are open');


# what was said of it all; nginx quotes headers that it refuses, at level info

my $log = $stack->log('access');
ok(length $log, 'there is an access log');

for ($stack->log('nginx') =~ s/^.*client sent.*$//gmr, $log) {
    unlike($_, qr/\Q$key\E/, 'no key in the log');
}

my ($secret) = $key =~ /^weir_[a-z0-9]+_[^_]+_([^_]+)_/;
unlike(Weir::Stack::slurp("$d/keys"), qr/\Q$secret\E/,
       'no secret in the key file');

$stack->end;

done_testing();

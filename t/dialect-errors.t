# What can go wrong at the edge, on each kind of route: the status, the form and
# the words of its dialect (E1), the ids (E2), and who is told to come again (E3).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    processes => 1,
    weir_redis => 'timeout=1s connect_timeout=1s',
    http => 'client_max_body_size 4k; large_client_header_buffers 4 2k;
             log_format ids "[$status $weir_request_id]"; access_log ids.log ids;
             weir_max_waiting 3; weir_cache_zone answers 2m;
             weir_limit_zone $weir_key_id$uri zone=two:1m rate=1r/h burst=1;
             weir_limit_zone $weir_key_id$uri zone=day:1m quota=1/day;',
    location => 'weir_api;', worker => 'attempts = 1',
    server => <<'END');
    location /denied/ { deny all; weir_api; }
    location /short/ { weir_api; weir_max_wait 1s; }
    location /mine/ { weir_api; weir_queue_limit owner=1; }
    location /full/ { weir_api; weir_queue_limit total=1; }
    location /two/ { weir_api; weir_limit zone=two; }
    location /day/ { weir_api; weir_limit zone=day; }
    location /keyed/ { weir_api; weir_idempotency required; }
    location /cached/ { weir_api; weir_cache zone=answers; }
END

$stack->keys;

my %key = (reader => $stack->create_key('carol', 'read'),
           narrow => $stack->create_key('dave', 'submit', '--models', 'other'));
my $revoked = $stack->create_key('erin', 'submit');


my ($id) = $revoked =~ /^weir_live_([^_]+)_/;
system("$stack->{build}/weir", 'keys', 'revoke', '--file',
       $stack->dir . '/keys', $id) == 0 or die 'revoke';

$stack->start;


# kind => [status, type and code of OpenAI, type of Anthropic and its status if
# it is another one, title of the problem]

my $INVALID = 'invalid_request_error';
my %KINDS = (
    invalid          => [400, $INVALID, undef, $INVALID],
    unauthenticated  => [401, $INVALID, 'invalid_api_key',
                         'authentication_error'],
    forbidden        => [403, $INVALID, 'insufficient_scope',
                         'permission_error'],
    'not-found'      => [404, $INVALID, 'not_found', 'not_found_error'],
    'model-not-found' => [404, $INVALID, 'model_not_found',
                          'not_found_error'],
    method           => [405, $INVALID, 'method_not_allowed', $INVALID],
    gone             => [410, $INVALID, 'result_expired', 'not_found_error'],
    'too-large'      => [413, $INVALID, 'request_too_large',
                         'request_too_large'],
    'uri-too-long'   => [414, $INVALID, 'uri_too_long', $INVALID],
    'media-type'     => [415, $INVALID, 'unsupported_media_type', $INVALID],
    'key-reused'     => [422, $INVALID, 'idempotency_key_reused', $INVALID],
    'rate-limited'   => [429, 'rate_limit_error', 'rate_limit_exceeded',
                         'rate_limit_error'],
    'not-implemented' => [501, 'server_error', 'not_implemented',
                          'api_error'],
    upstream         => [502, 'server_error', 'upstream_error', 'api_error'],
    unavailable      => [503, 'server_error', 'unavailable',
                         'overloaded_error', 529],
    cancelled        => [409, $INVALID, 'job_cancelled', $INVALID],
    timeout          => [504, 'server_error', 'timeout', 'timeout_error'],
);

# the routes that ask, and those that list

my @version = (headers => ['anthropic-version: 2023-06-01']);
my %ROUTES = (
    chat       => { dialect => 'openai', path => '/v1/chat/completions' },
    messages   => { dialect => 'anthropic', path => '/v1/messages' },
    embeddings => { dialect => 'openai', path => '/v1/embeddings' },
    responses  => { dialect => 'openai', path => '/v1/responses' },
    jobs       => { dialect => 'problem', path => '/v1/jobs' },
    'jobs of messages' => { dialect => 'problem', path => '/v1/jobs' },
    models     => { dialect => 'openai', path => '/v1/models' },
    'models of messages' => { dialect => 'anthropic', path => '/v1/models',
                              @version },
);

my @ASKING = grep { !/models/ } sort keys %ROUTES;


# body(ROUTE, TEXT, MEMBER => VALUE...): of the request

sub body {
    my ($route, $text, %more) = @_;

    my %request = (model => 'mock-1', %more,
                   messages => [{ role => 'user', content => $text }]);
    $request{max_tokens} //= 50 if $route =~ /messages/;
    $request{input} = delete($request{messages})->[0]{content}
        if $route =~ /embeddings|responses/;

    return encode_json(
        $route eq 'jobs' ? { request => \%request }
        : $route =~ /jobs/ ? { request => \%request, dialect => 'anthropic' }
                           : \%request);
}


# send(ROUTE, OPTIONS of the stack's request, AT => prefix): a client under way

sub send_to {
    my ($route, %o) = @_;

    my $r = $ROUTES{$route};
    my $at = delete $o{at} // '';
    my @headers = (@{ $r->{headers} // [] }, @{ delete $o{headers} // [] });

    push @headers, 'Prefer: wait=10' if $route =~ /^jobs/ && !$o{now};

    return $stack->request("$at$r->{path}" . ($o{query} // ''), %o,
                           headers => \@headers);
}

sub ask {
    my $c = send_to(@_);
    $c->wait(15) or die 'no answer';
    return $c;
}

sub raw {
    my ($route, $text) = @_;

    my $path = $ROUTES{$route}{path};
    $text =~ s/PATH/$path/;
    my $version = join '', map { "$_\n" } @{ $ROUTES{$route}{headers} // [] };
    $text =~ s/\nHost: x\n/\nHost: x\n$version/;

    my $c = Weir::Client->new(port => $stack->port,
                              raw => $text =~ s/(?<!\r)\n/\r\n/gr);
    $c->wait(5) or die 'no answer';
    return $c;
}


# says(CLIENT, ROUTE, NAME, KIND, code => ..., status => ...)

my @ids;

sub says {
    my ($c, $route, $name, $kind, %o) = @_;

    my ($status, $type, $code, $anthropic, $own) = @{ $KINDS{$kind} };
    my $dialect = $ROUTES{$route}{dialect};

    $name = "$route, $name";
    $code = $o{code} if exists $o{code};
    $status = $own if $own && $dialect eq 'anthropic';
    $status = $o{status} if $o{status};

    is($c->status, $status, "$name: $status") or diag($c->body);

    my $body = eval { decode_json($c->body) } // {};
    my $id = $c->header('X-Request-Id') // '';
    my ($want, @got);

    if ($dialect eq 'openai') {
        $want = ['error', "$type|" . ($code // 'null')];
        my $e = $body->{error} // {};
        @got = (join(',', keys %$body),
                join '|', map { $_ // 'null' } @$e{qw(type code)});
        is(join(',', sort keys %$e), 'code,message,param,type',
           "$name: E1, the members");
        ok(length $e->{message}, "$name: E1, a message");

    } elsif ($dialect eq 'anthropic') {
        $want = ['error,request_id,type', 'error', $anthropic, $id];
        @got = (join(',', sort keys %$body), $body->{type},
                $body->{error}{type}, $body->{request_id});
        is(join(',', sort keys %{ $body->{error} // {} }), 'message,type',
           "$name: E1, the members");
        is($c->header('request-id'), $id, "$name: E2, request-id");

    } else {
        my $slug = $o{problem} // "urn:weir:problem:$kind";
        $want = [$slug, $status, $id];
        @got = @$body{qw(type status request_id)};
        is($c->header('Content-Type'), 'application/problem+json',
           "$name: E1, the media type");
    }

    is_deeply(\@got, $want, "$name: E1, as its dialect says")
        or diag($c->body);
    like($id, qr/^[\w.-]{1,128}$/, "$name: E2, an id");
    unlike($c->body, qr/nginx|html/i, "$name: E1, nothing of nginx");
    is($c->header('Cache-Control'), 'no-store', "$name: not cached");

    if ($dialect ne 'anthropic') {
        is($c->header('request-id'), undef, "$name: no request-id");
    }

    if ($status == 401 || $status == 403) {
        is($c->header('x-should-retry'), $o{nginx} ? undef : 'false',
           "$name: E3, final");
    }

    if ($o{again}) {
        like($c->header('Retry-After'), qr/^[1-9]\d*$/, "$name: when again");
    }

    push @ids, "[" . $c->status . " $id]";

    return $body;
}


# before a body is looked at, on all routes

for my $route (sort keys %ROUTES) {
    my $path = $ROUTES{$route}{path};
    my $get = $route =~ /models/;
    my @body = $get ? () : (body => body($route, 'Hi'));
    my $method = $get ? 'GET' : 'POST';
    my $auth = $stack->auth;

    # E3: nobody is told why

    says(ask($route, @body, no_key => 1), $route, 'no key',
         'unauthenticated');

    my %same;

    for (['malformed', 'x'], ['unknown', $stack->key =~ s/.$/\$/r],
         ['revoked', $revoked])
    {
        my ($name, $key) = @$_;

        for my $header ("Authorization: Bearer $key", "X-API-Key: $key") {
            my $body = says(ask($route, @body, no_key => 1,
                                headers => [$header]),
                            $route, $name, 'unauthenticated');
            $same{$body->{detail} // $body->{error}{message}} = 1;
        }
    }

    is(keys %same, 1, "$route: E3, in the same words");

    says(ask($route, @body, no_key => 1,
             headers => [$auth, 'X-API-Key: ' . $stack->key]),
         $route, 'two keys', 'invalid', code => 'invalid_request');

    if (!$get) {
        says(ask($route, @body, no_key => 1,
                 headers => ["Authorization: Bearer $key{reader}"]),
             $route, 'no scope', 'forbidden');
    }

    says(ask($route, @body, at => '/denied'), $route, 'deny', 'forbidden',
         nginx => 1);

    # what is no HTTP, or too much

    says(raw($route, "$method PATH?" . 'x' x 3000 . " HTTP/1.1\nHost: x\n\n"),
         $route, 'URI', 'uri-too-long')
        if $route !~ /models of/;               # no header has come yet
    says(raw($route, "$method PATH HTTP/1.1\nHost: x\n$auth\n"
                     . "Connection: close\nHost: y\n\n"),
         $route, 'two hosts', 'invalid');
    says(raw($route, "$method PATH HTTP/1.1\nHost: x\n$auth\n"
                     . "Connection: close\nTransfer-Encoding: gzip\n\n"),
         $route, 'a coding', 'not-implemented');
    says(ask($route, method => 'POST', body => 'x' x 5000), $route,
         'size', $get ? 'method' : 'too-large') if !$get;
    says(ask($route, method => 'PUT', body => '{}'), $route, 'PUT', 'method');
}


# bodies

for my $route (@ASKING) {

    for (['no JSON', '{'], ['a string', '"x"'], ['nothing', ''],
         ['a key twice', '{"model":"a","model":"b"}'],
         ['U+0000', '{"model":"\u0000"}'],
         ['deep', '{"model":' . '[' x 40 . ']' x 40 . '}'],
         ['UTF-8', "{\"model\":\"\xff\"}"])
    {
        my ($name, $body) = @$_;
        says(ask($route, body => $body), $route, $name, 'invalid');
    }

    my $param = sub {
        my ($name, $member, @more) = @_;

        my $body = says(ask($route, body => body($route, 'Hi', @more)),
                        $route, $name, 'invalid');
        my $e = $body->{error} // $body;

        like($e->{detail} // $e->{message}, qr/"\Q$member\E"/,
             "$route, $name: what is wrong");
        is($e->{param}, $member, "$route, $name: param")
            if $ROUTES{$route}{dialect} ne 'anthropic';
    };

    $param->('model', 'model', model => '');

    if ($route eq 'embeddings') {
        $param->('dimensions', 'dimensions', dimensions => -1);
        $param->('encoding', 'encoding_format', encoding_format => 7);

    } else {
        $param->('temperature', 'temperature', temperature => 3);
        $route eq 'responses'
            ? $param->('max_tokens', 'max_output_tokens',
                       max_output_tokens => 0)
            : $param->('max_tokens', 'max_tokens', max_tokens => 0);
        $param->('tools', 'tools', tools => 7);
    }

    says(ask($route, body => '<x/>', headers => ['Content-Type: text/xml']),
         $route, 'XML', 'media-type');
    says(ask($route, body => body($route, 'Hi'),
             headers => ['Content-Encoding: gzip']), $route, 'gzip',
         'media-type');

    says(ask($route, body => body($route, 'Hi'), no_key => 1,
             headers => ["Authorization: Bearer $key{narrow}"]),
         $route, 'model', 'forbidden', code => 'model_not_allowed');

    says(ask($route, at => '/cached',
             body => body($route, 'Hi', x => 9007199254740993)),
         $route, 'an integer', 'invalid', code => 'unsafe_integer')
        if $route !~ /messages|responses/;      # which know their members
}


# keys of the client's

for my $route (@ASKING) {
    my $n = $route =~ s/ /-/gr;
    my @key = (headers => ["Idempotency-Key: $n"]);

    says(ask($route, at => '/keyed', body => body($route, 'Hi')), $route,
         'no Idempotency-Key', 'invalid');

    is(ask($route, at => '/keyed', @key, body => body($route, 'Hi'))->status,
       200, "$route: with one");
    says(ask($route, at => '/keyed', @key, body => body($route, 'Ho')),
         $route, 'another body', 'key-reused');

    next if $route =~ /jobs/;                   # which show a job instead

    $stack->redis('DEL', @{ $stack->redis('KEYS', 'weir:{0}:outcome:*') });
    says(ask($route, at => '/keyed', @key, body => body($route, 'Hi')), $route,
         'it is forgotten', 'gone');
}


# what the LLM says: an error of the route, or of the job

for my $route (@ASKING) {
    for (['refuses', 'status=400', 'invalid'],
         ['has no such thing', 'status=404', 'not-found'],
         ['wants less', 'status=413', 'too-large'],
         ['has enough', 'status=429', 'rate-limited'],
         ['knows not us', 'status=401', 'upstream', 'upstream_auth'],
         ['breaks', 'status=500', 'upstream'],
         ['breaks off', 'cut=body', 'upstream'],
         ['babbles', 'garbage=json', 'upstream', 'upstream_invalid'])
    {
        my ($name, $plan, $kind, $code) = @$_;

        my $c = ask($route, body => body($route, "[[mock $plan]] x"));

        if ($route !~ /jobs/) {
            says($c, $route, "the LLM $name", $kind,
                 code => $code // $KINDS{$kind}[2]
                         // decode_json($c->body)->{error}{code});
            is($c->header('x-should-retry'),
               $KINDS{$kind}[0] =~ /^(?:400|404|413)$/ ? 'false' : undef,
               "$route, the LLM $name: whether again");
            next;
        }

        is($c->status, 200, "$route, the LLM $name: a job");
        is(decode_json($c->body)->{error}{status}, $KINDS{$kind}[0],
           "$route, the LLM $name: its error");
    }
}


# what another of the owner's requests cancels

for my $route (grep { !/jobs/ } @ASKING) {
    my %old = map { $_ => 1 } @{ $stack->redis('KEYS', 'weir:{0}:run:*') };
    my $c = send_to($route, body => body($route, '[[mock delay=9000]] x'));
    my $run;

    $stack->wait_for(5, sub {
        ($run) = map { /(\w{24})$/ } grep { !$old{$_} }
                 @{ $stack->redis('KEYS', 'weir:{0}:run:*') };
    }, "$route: a run");

    is($stack->ask("/v1/jobs/job_$run", method => 'DELETE')->status, 200,
       "$route: cancelled");
    ok($c->wait(5), "$route: an answer");
    says($c, $route, 'cancelled', 'cancelled');
    is($c->header('x-should-retry'), 'false', "$route: not again");
}


# what only one dialect can say

says(ask('messages', body => body('messages', 'x', top_k => 3)), 'messages',
     'untranslatable', 'invalid');
is(decode_json(ask('jobs of messages',
                   body => body('jobs of messages', 'x', top_k => 3))->body)
       ->{error}{code}, 'untranslatable', 'a job of messages: untranslatable');


# limits: of the location, of jobs, of those who wait

for my $route (sort keys %ROUTES) {
    my @body = $route =~ /models/ ? () : (body => body($route, 'Hi'));
    my @late = (problem => 'https://iana.org/assignments/http-problem-types'
                           . '#quota-exceeded', again => 1);

    ask($route, @body, at => '/two') for 1 .. 2;
    my $c = ask($route, @body, at => '/two');
    says($c, $route, 'a limit', 'rate-limited', @late);

    my %family = (openai => 'x-ratelimit-limit-requests', problem => undef,
                  anthropic => 'anthropic-ratelimit-requests-limit');
    my $dialect = $ROUTES{$route}{dialect};

    for my $whose (sort keys %family) {
        next if !$family{$whose};
        is(defined $c->header($family{$whose}) ? 1 : 0,
           $whose eq $dialect ? 1 : 0, "$route, a limit: $family{$whose}");
    }

    ask($route, @body, at => '/day');
    $c = ask($route, @body, at => '/day');
    says($c, $route, 'a limit of a day', 'rate-limited', @late);
    is($c->header('x-should-retry'), 'false', "$route: not by itself");
}

$stack->stop('worker');

for my $route (@ASKING) {
    my @body = (body => body($route, 'Hi'), headers => ['Prefer: wait=0']);

    $stack->redis('FLUSHALL');
    is($stack->ask('/v1/jobs', body => body('jobs', 'Hi'))->status, 202,
       'a job that nobody runs');
    my $job = $stack->ask('/mine/v1/jobs', body => body('jobs', 'Hi'));
    is($job->status, 202, 'one of mine');

    says(ask($route, @body, at => '/mine'), $route, 'as many as I may',
         'rate-limited', again => 1);
    says(ask($route, @body, at => '/full'), $route, 'as many as there may be',
         'unavailable', again => 1);

    if ($route !~ /jobs/) {
        my $c = ask($route, @body, at => '/short');
        says($c, $route, 'too late', 'timeout');
        is($c->header('x-should-retry'), 'false', "$route: not again");

        says(ask($route, @body, at => '/cached',
                 headers => ['Cache-Control: only-if-cached']), $route,
             'only if it is there', 'timeout');
    }

    my @held = map { send_to('chat', body => body('chat', "held $_"),
                             at => '/short') } 1 .. 3;
    my $c = $stack->wait_for(5, sub {
        my $c = ask($route, body => body($route, 'Hi'), at => '/short');
        $c->header('Retry-After') && $c->status =~ /^5[02]/ ? $c : undef;
    }, 'three wait');
    says($c, $route, 'too many wait', 'unavailable', again => 1);
    Weir::Client::wait_all(10, @held);
}


# Redis is gone

$stack->stop('redis');
$stack->wait_for(5, sub {
    $stack->log('nginx') =~ /closed the connection \(commands\)/;
}, 'Redis is gone');

for my $route (@ASKING) {
    says(ask($route, body => body($route, 'Hi')), $route, 'no Redis',
         'unavailable', again => 1);
}


# E2: what the client was told is what the log says

$stack->wait_for(5, sub {
    my %seen;
    $seen{$_}++ for split /\n/, Weir::Stack::slurp($stack->dir . '/ids.log');
    return !grep { !$seen{$_}-- } @ids;
}, 'E2: the ids of ' . @ids . ' answers are in the log');

my %once;
$once{$_}++ for @ids;
is(scalar keys %once, scalar @ids, 'E2: each has its own');


# and one that the client has chosen is taken, also for what is refused

for my $route (sort keys %ROUTES) {
    my $c = ask($route, method => 'PUT', headers => ['X-Request-Id: mine.1']);
    is($c->header('X-Request-Id'), 'mine.1', "$route: E2, the client's own");
    is($c->header('request-id'), 'mine.1', "$route: E2, twice")
        if $ROUTES{$route}{dialect} eq 'anthropic';
}

$stack->end;

done_testing();

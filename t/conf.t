# What "nginx -t" says to each directive: right, wrong, out of range, in a
# wrong block, twice, without its partner.  A refusal names the directive, the
# value and what is allowed, and the line.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new;
my $dir = $stack->dir;
my $n = 0;

$stack->keys;

Weir::Stack::write_file("$dir/password", "secret\n");
Weir::Stack::write_file("$dir/empty", "\n");
Weir::Stack::write_file("$dir/bad-keys", "# good\nv1:hmac-sha256:nonsense\n");
Weir::Stack::write_file("$dir/twice",
                        Weir::Stack::slurp("$dir/keys") x 2);

# leaks of a refused configuration are nginx's own

local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '')
                           =~ s/detect_leaks=1/detect_leaks=0/r;


# the configuration with one directive a line; what nginx says, and its status

sub nginx_t {
    my (%o) = @_;

    my $file = sprintf '%s/conf-%d', $dir, ++$n;
    my $load = join "\n", map { "load_module $_;" }
                          split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    my $redis = $o{redis} // 'weir_redis 127.0.0.1:6379;';
    my $keys = $o{keys} // "weir_key_file $dir/keys pepper=$dir/pepper;";
    my $location = $o{location} // 'location / { weir_api; }';

    Weir::Stack::write_file($file, <<END =~ s/^\n//gmr);
$load
pid $dir/conf.pid;
error_log stderr;
@{[ $o{main} // '' ]}
events {
@{[ $o{events} // '' ]}
}
http {
$redis
$keys
@{[ $o{http} // '' ]}
server {
listen 127.0.0.1:9;
@{[ $o{server} // '' ]}
$location
}
@{[ $o{after} // '' ]}
}
END

    my $out = `$ENV{TEST_NGINX_BINARY} -t -p $dir -c $file -e stderr 2>&1`;

    return ($? >> 8, $out, $file);
}


sub accepted {
    my ($name, %o) = @_;

    my ($status, $out) = nginx_t(%o);

    is($status, 0, "accepted: $name") or diag($out);
}


# refused(NAME, WHAT IT SAYS, CONFIGURATION): the bad line is the one with
# $o{line} in it, if that is given

sub refused {
    my ($name, $says, %o) = @_;

    my ($status, $out, $file) = nginx_t(%o);
    my @lines = split /\n/, Weir::Stack::slurp($file);
    my ($emerg) = $out =~ /(\[emerg\].*)/;

    $emerg //= "(none) $out";
    isnt($status, 0, "refused: $name");

    for my $says (ref $says ? @$says : $says) {
        like($emerg, ref $says ? $says : qr/\Q$says\E/, "$name: says so");
    }

    if ($o{line}) {
        my ($at) = grep { index($lines[$_], $o{line}) >= 0 } 0 .. $#lines;
        my $place = "$file:" . ($at + 1);
        like($emerg, qr/\Q$place\E$/, "$name: file and line");
    }
}


# refused_value(DIRECTIVE, VALUE, ALLOWED, KEY): a line of its own

sub refused_value {
    my ($directive, $value, $allowed, $place) = @_;

    my $line = "$directive $value;";

    # nginx shows a value without its quotes

    refused($line, [$directive, $value =~ s/.* //r =~ s/"//gr, $allowed],
            $place => $line, line => $line);
}


# weir_redis

accepted("weir_redis $_", redis => "weir_redis $_;") for (
    '127.0.0.1', '127.0.0.1:7000', 'localhost', '[::1]:6379',
    'unix:/tmp/redis.sock', '127.0.0.1 database=0', '127.0.0.1 database=9999',
    '127.0.0.1 timeout=10ms connect_timeout=60s',
    "127.0.0.1 password_file=$dir/password",
    "127.0.0.1 user=weir password_file=$dir/password");

refused_value('weir_redis', @$_, 'redis') for (
    ['127.0.0.1:0', 'it must be "host[:port]" or "unix:/path"'],
    ['127.0.0.1:99999', 'it must be "host[:port]" or "unix:/path"'],
    ['unix:', 'it must be "host[:port]" or "unix:/path"'],
    ['127.0.0.1 database=-1', 'a number from 0 to 9999'],
    ['127.0.0.1 database=10000', 'a number from 0 to 9999'],
    ['127.0.0.1 database=x', 'a number from 0 to 9999'],
    ['127.0.0.1 timeout=9ms', 'a time from 10ms to 60s'],
    ['127.0.0.1 timeout=61s', 'a time from 10ms to 60s'],
    ['127.0.0.1 timeout=soon', 'a time from 10ms to 60s'],
    ['127.0.0.1 connect_timeout=0', 'a time from 10ms to 60s'],
    ['127.0.0.1 user=', 'must not be empty'],
    ["127.0.0.1 password_file=$dir/missing", 'a readable file'],
    ["127.0.0.1 password_file=$dir/empty", 'a readable file'],
    ['127.0.0.1 password_file=', 'it must be a path'],
    ['127.0.0.1 nonsense', 'allowed are timeout=']);

refused('weir_redis user without a password',
        ['"weir_redis"', '"weir"', '"user" needs "password_file"'],
        redis => 'weir_redis 127.0.0.1 user=weir;', line => 'user=weir');
refused('weir_redis with a password on the line, which is not repeated',
        ['"weir_redis"', '"password"', 'password_file='],
        redis => 'weir_redis 127.0.0.1 password=secret;',
        line => 'password=secret');
# a password that stands there by mistake is not repeated

refused('weir_redis with a password', ['"password" in', 'password_file='],
        redis => 'weir_redis 127.0.0.1 password=secret;',
        line => 'password=secret');
refused('weir_redis twice', ['"weir_redis"', 'is duplicate'],
        http => 'weir_redis 127.0.0.2;', line => '127.0.0.2');
refused('weir_redis without an address', ['"weir_redis"', 'arguments'],
        redis => 'weir_redis;', line => 'weir_redis;');
refused('weir_api without weir_redis',
        ['"weir_api"', '"weir_redis"', 'http block', $dir], redis => '');

# weir_key_file

refused('weir_key_file without a pepper', ['"weir_key_file"', 'arguments'],
        keys => "weir_key_file $dir/keys;", line => 'weir_key_file');
refused('weir_key_file with another word',
        ['weir_key_file', '"salt=x"', 'it must be "pepper=path"'],
        keys => "weir_key_file $dir/keys salt=x;", line => 'salt=x');
refused('weir_key_file with an empty path',
        ['weir_key_file', 'it must be a path'],
        keys => "weir_key_file $dir/keys \"pepper=\";",
        line => 'weir_key_file');
refused('weir_key_file that is missing', ['"weir_key_file"', "$dir/none"],
        keys => "weir_key_file $dir/none pepper=$dir/pepper;",
        line => '/none');
refused('pepper that is missing', ['"weir_key_file"', 'no-pepper'],
        keys => "weir_key_file $dir/keys pepper=$dir/no-pepper;",
        line => 'no-pepper');
refused('pepper that is empty', ['"weir_key_file"', 'pepper'],
        keys => "weir_key_file $dir/keys pepper=$dir/empty;",
        line => '/empty');
refused('weir_key_file with a bad line',
        ['"weir_key_file"', "$dir/bad-keys", qr/line 2\b/],
        keys => "weir_key_file $dir/bad-keys pepper=$dir/pepper;",
        line => 'bad-keys');
refused('weir_key_file with a key twice',
        ['"weir_key_file"', "$dir/twice", 'in two records'],
        keys => "weir_key_file $dir/twice pepper=$dir/pepper;",
        line => '/twice');
refused('weir_key_file twice', ['"weir_key_file"', 'is duplicate'],
        http => "weir_key_file $dir/keys pepper=$dir/./pepper;",
        line => '/./pepper');
refused('weir_api without weir_key_file',
        ['"weir_api"', '"weir_key_file"', 'http block', $dir], keys => '');
accepted('weir_key_file with a relative path',
         keys => 'weir_key_file keys pepper=pepper;');

# weir_zone

accepted("weir_zone $_", http => "weir_zone $_;") for ('w:256k', 'w:1m');

refused_value('weir_zone', @$_, 'http') for (
    ['w', 'it must be "name:size"'],
    [':1m', 'it must be "name:size"'],
    ['w:', 'at least 256k'],
    ['w:x', 'at least 256k'],
    ['w:-1', 'at least 256k'],
    ['w:255k', 'at least 256k']);

refused('weir_zone twice', ['"weir_zone"', 'is duplicate'],
        http => "weir_zone w:1m;\nweir_zone w:2m;", line => 'w:2m');
refused('weir_zone of another kind', ['"w"'],
        http => "limit_req_zone \$uri zone=w:1m rate=1r/s;\nweir_zone w:1m;");

# numbers and times

accepted("$_->[0] $_->[1]", http => "$_->[0] $_->[1];") for (
    ['weir_max_waiting', 1], ['weir_max_waiting', 30000],
    ['weir_max_wait', '1s'], ['weir_max_wait', '1d'],
    ['weir_heartbeat', '10ms'], ['weir_heartbeat', '15s'],
    ['weir_ignore_client_abort', 'on'], ['weir_ignore_client_abort', 'off'],
    ['weir_result_ttl', '10s'], ['weir_result_ttl', '365d']);

refused_value(@$_, 'http') for (
    ['weir_max_waiting', '0', 'from 1 to 30000'],
    ['weir_max_waiting', '30001', 'from 1 to 30000'],
    ['weir_max_waiting', '-1', 'from 1 to 30000'],
    ['weir_max_waiting', 'x', 'from 1 to 30000'],
    ['weir_max_waiting', '99999999999999999999', 'from 1 to 30000'],
    ['weir_max_wait', '999ms', 'from 1s to 1d'],
    ['weir_max_wait', '0', 'from 1s to 1d'],
    ['weir_max_wait', '25h', 'from 1s to 1d'],
    ['weir_max_wait', '86400001ms', 'from 1s to 1d'],
    ['weir_max_wait', 'soon', 'from 1s to 1d'],
    ['weir_max_wait', '99999999999999999999', 'from 1s to 1d'],
    ['weir_heartbeat', '9ms', 'from 10ms to 15s'],
    ['weir_heartbeat', '0', 'from 10ms to 15s'],
    ['weir_heartbeat', '15001ms', 'from 10ms to 15s'],
    ['weir_heartbeat', '-1s', 'from 10ms to 15s'],
    ['weir_heartbeat', 'off', 'from 10ms to 15s'],
    ['weir_heartbeat', '99999999999999999999', 'from 10ms to 15s'],
    ['weir_ignore_client_abort', 'yes', '"on" or "off"'],
    ['weir_ignore_client_abort', '1', '"on" or "off"'],
    ['weir_result_ttl', '9s', 'from 10s to 365d'],
    ['weir_result_ttl', '0', 'from 10s to 365d'],
    ['weir_result_ttl', '366d', 'from 10s to 365d'],
    ['weir_result_ttl', '500ms', 'from 10s to 365d'],
    ['weir_result_ttl', 'x', 'from 10s to 365d']);

for (['weir_max_waiting', 5], ['weir_max_wait', '5s'],
     ['weir_result_ttl', '15s'], ['weir_heartbeat', '5s'],
     ['weir_ignore_client_abort', 'off', 'on'])
{
    my ($directive, $value, $first) = @$_;
    $first //= 14;

    refused("$directive twice", [qq("$directive"), 'is duplicate'],
            http => "$directive $first;\n$directive $value;",
            line => "$directive $value");
    refused("$directive without a value", [qq("$directive"), 'arguments'],
            http => "$directive;", line => "$directive;");
}

accepted("$_ in every block", http => "$_ 12s;", server => "$_ 13s;",
         location => "location / {\n$_ 14s;\nweir_api;\n}")
    for qw(weir_max_wait weir_heartbeat weir_result_ttl);
accepted('weir_ignore_client_abort in every block',
         http => 'weir_ignore_client_abort on;',
         server => 'weir_ignore_client_abort off;',
         location => "location / {\nweir_ignore_client_abort on;\nweir_api;\n}");

# what a job may be

accepted("$_", http => "$_;") for (
    'weir_records_ttl 10s', 'weir_records_ttl 365d', 'weir_idempotency on',
    'weir_idempotency off', 'weir_idempotency required ttl=10s',
    'weir_queue_limit total=1', 'weir_queue_limit owner=1000000000',
    'weir_queue_limit owner=1 total=2', 'weir_webhook_allow 10.0.0.0/8 ::1',
    'weir_webhook_port 80 9443');

accepted('exceptions of webhooks, several times',
         http => "weir_webhook_allow 10.0.0.1;\nweir_webhook_allow fd00::/8;\n"
                 . "weir_webhook_port 80;\nweir_webhook_port 81;");

refused("$_->[0] $_->[1]", [qq("$_->[0]"), "\"$_->[2]\"", $_->[3]],
        http => "$_->[0] $_->[1];", line => "$_->[0] $_->[1]")
    for (
    ['weir_records_ttl', '9s', '9s', 'from 10s to 365d'],
    ['weir_records_ttl', '366d', '366d', 'from 10s to 365d'],
    ['weir_records_ttl', 'x', 'x', 'from 10s to 365d'],
    ['weir_idempotency', 'yes', 'yes', '"on", "off" or "required"'],
    ['weir_idempotency', 'on 1h', '1h', '"ttl=" and a time'],
    ['weir_idempotency', 'on ttl=', 'ttl=', 'from 10s to 365d'],
    ['weir_idempotency', 'on ttl=9s', 'ttl=9s', 'from 10s to 365d'],
    ['weir_idempotency', 'on ttl=x', 'ttl=x', 'from 10s to 365d'],
    ['weir_queue_limit', '5', '5', '"total=" or "owner="'],
    ['weir_queue_limit', 'total=0', 'total=0', 'from 1 to 1000000000'],
    ['weir_queue_limit', 'owner=x', 'owner=x', 'from 1 to 1000000000'],
    ['weir_queue_limit', 'owner=1 owner=2', 'owner=2', 'each once'],
    ['weir_webhook_allow', 'localhost', 'localhost', 'not an IPv4 or IPv6'],
    ['weir_webhook_allow', '10.0.0.1/33', '10.0.0.1/33', 'number of bits'],
    ['weir_webhook_port', '0', '0', 'from 1 to 65535'],
    ['weir_webhook_port', '65536', '65536', 'from 1 to 65535'],
    ['weir_webhook_port', 'https', 'https', 'from 1 to 65535']);

refused("$_->[0] twice", [qq("$_->[0]"), 'is duplicate'],
        http => "$_->[0] $_->[1];\n$_->[0] $_->[2];",
        line => "$_->[0] $_->[2]")
    for (['weir_records_ttl', '10s', '11s'], ['weir_idempotency', 'on', 'off'],
         ['weir_queue_limit', 'owner=1', 'total=2']);

refused("$_ in a server", [qq("$_"), 'not allowed here'],
        server => "$_ 1;", line => "$_ 1")
    for qw(weir_webhook_allow weir_webhook_port);


# handlers

for (qw(weir_api weir_livez weir_readyz weir_metrics)) {
    accepted("$_ in a prefix location", location => "location /x/ { $_; }");
    accepted("$_ in a nested location",
             location => "location /x/ { location /x/y/ { $_; } }");

    refused("$_ with an argument", [qq("$_"), 'arguments'],
            location => "location / { $_ on; }", line => "$_ on");
    refused("$_ in a server", [qq("$_"), 'not allowed here'],
            server => "$_;", line => "$_;");
    refused("$_ in an if", [qq("$_"), 'not allowed here'],
            location => "location / { if (\$arg_x) {\n$_;\n} }",
            line => "$_;");
    refused("$_ after proxy_pass", [qq("$_"), 'has a handler already'],
            location => "location / {\nproxy_pass http://127.0.0.1:9;\n$_;\n}",
            line => "$_;");
    refused("$_ twice", [qq("$_"), 'has a handler already'],
            location => "location / {\nweir_livez;\n$_;\n}", line => "$_;")
        if $_ ne 'weir_livez';
}

accepted("$_ in an exact location", location => "location = /x { $_; }")
    for qw(weir_livez weir_readyz weir_metrics);

refused("weir_api in location $_", ['"weir_api"', 'given by a prefix'],
        location => "location $_ {\nweir_api;\n}", line => 'weir_api;')
    for '= /v1/jobs', '~ ^/', '@named';


# who needs a key

my $store = "weir_key_store pepper=$dir/pepper";

accepted("weir_auth $_", location => "location / {\nweir_auth $_;\n}")
    for 'on', 'off', map { "on scope=$_" }
        qw(submit read cancel admin cache-bypass metrics);
accepted('weir_auth in every block', http => 'weir_auth on;',
         server => 'weir_auth off;',
         location => 'location / { weir_auth on scope=read; '
                     . 'location /x/ { weir_auth off; } weir_api; }');
accepted('weir_auth without Redis', redis => '',
         location => 'location / { weir_auth on; }');
accepted('weir_api below "off"', server => 'weir_auth off;');

for (['yes', '"yes"', '"on" or "off"'], ['on scope=', '"scope="', 'metrics'],
     ['on scope=root', '"scope=root"', 'cache-bypass'],
     ['on scope=read,submit', '"scope=read,submit"', 'one of'],
     ['on read', '"read"', 'scope='], ['off scope=read', '"scope=read"', 'off'])
{
    my ($value, @says) = @$_;

    refused("weir_auth $value", ['"weir_auth"', @says],
            location => "location / {\nweir_auth $value;\n}",
            line => "weir_auth $value;");
}

refused('weir_auth twice', ['"weir_auth"', 'is duplicate'],
        server => "weir_auth on;\nweir_auth off; # 2", line => '# 2');
refused('weir_auth without a value', ['"weir_auth"', 'arguments'],
        server => 'weir_auth;', line => 'weir_auth;');
refused('weir_auth in an if', ['"weir_auth"', 'not allowed here'],
        location => "location / { if (\$arg_x) {\nweir_auth off;\n} }",
        line => 'weir_auth off;');
refused('weir_auth off before weir_api', ['"weir_api"', '"weir_auth"', '"off"'],
        location => "location / {\nweir_auth off;\nweir_api;\n}",
        line => 'weir_api;');
refused('weir_auth off behind weir_api', ['"weir_auth"', '"weir_api"'],
        location => "location / {\nweir_api;\nweir_auth off;\n}",
        line => 'weir_auth off;');
refused('weir_auth without keys', ['"weir_auth"', '"weir_key_file"',
                                   '"weir_key_store"'],
        keys => '', location => "location / {\nweir_auth on;\n}",
        line => 'weir_auth on;');
accepted('weir_auth off without keys', keys => '',
         location => 'location / { weir_auth off; }');

accepted("weir_key_store $_", keys => "$store $_;")
    for '', 'zone=keys:128k', 'zone=keys:10m ttl=1s negative=0',
        'ttl=1d negative=1s', 'negative=100ms';
accepted('weir_key_store beside weir_key_file', http => "$store;");

for (['zone=keys', 'zone=name:size'], ['zone=:1m', 'zone=name:size'],
     ['zone=keys:127k', '128k'], ['zone=keys:x', '128k'],
     ['ttl=999ms', 'from 1s to 1d'], ['ttl=2d', 'from 1s to 1d'],
     ['ttl=x', 'from 1s to 1d'], ['negative=2s', 'from 0 to 1s'],
     ['size=1m', 'allowed are'], ['on', 'allowed are'])
{
    my ($value, $says) = @$_;

    refused("weir_key_store $value", ['"weir_key_store"', qq("$value"), $says],
            keys => "$store $value;", line => $store);
}

refused('weir_key_store without a pepper', ['"weir_key_store"', 'pepper=path'],
        keys => 'weir_key_store zone=keys:1m;', line => 'weir_key_store');
refused('weir_key_store with an empty pepper', ['"weir_key_store"', 'pepper'],
        keys => "weir_key_store pepper=$dir/empty;", line => 'weir_key_store');
refused('weir_key_store whose pepper is missing',
        ['"weir_key_store"', "$dir/none"],
        keys => "weir_key_store pepper=$dir/none;", line => 'weir_key_store');
refused('weir_key_store twice', ['"weir_key_store"', 'is duplicate'],
        keys => "$store;\n$store; # 2", line => '# 2');
refused('weir_key_store without weir_redis', ['"weir_key_store"',
                                              '"weir_redis"'],
        redis => '', keys => "$store;", location => '', line => $store);
refused('weir_key_store in the zone of another kind', ['"keys"'],
        http => "weir_zone keys:256k;\n$store zone=keys:256k;");

accepted('health alone needs neither Redis nor keys', redis => '',
         keys => '', location => 'location / { weir_livez; }');

# wrong blocks

for ('weir_redis 127.0.0.1', "weir_key_file $dir/keys pepper=$dir/pepper",
     'weir_zone w:1m', 'weir_max_waiting 5')
{
    my ($directive) = /^(\S+)/;

    for my $block (qw(main events server)) {
        refused("$directive in $block", [qq("$directive"), 'not allowed here'],
                redis => '', keys => '', $block => "$_;", line => "$_;");
    }
}

for ('weir_max_wait 5s', 'weir_result_ttl 15s', 'weir_heartbeat 5s',
     'weir_ignore_client_abort on')
{
    my ($directive) = /^(\S+)/;

    refused("$directive in $_->[0]", [qq("$directive"), 'not allowed here'],
            $_->[0] => $_->[1], line => $_->[2])
        for (['main', "$_;", "$_;"], ['events', "$_;", "$_;"],
             ['location', "location / { if (\$arg_x) {\n$_;\n} }", "$_;"],
             ['after', "upstream u {\nserver 127.0.0.1;\n$_;\n}", "$_;"]);
}

done_testing();

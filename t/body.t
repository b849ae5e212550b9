# What a body may be: JSON, all of it, within bounds; however it travels.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api; client_max_body_size 4m;',
    server => 'location /small/ { weir_api; client_body_buffer_size 1k; }
               location /file/ { weir_api; client_body_in_file_only clean; }');

$stack->start('redis', 'nginx');

my $message = '{"role":"user","content":"Hi"}';
my $chat = qq({"model":"m","messages":[$message]});
my $job = qq({"request":$chat});
my $jobs = '/v1/jobs';


sub accepted {
    my ($name, $body, %o) = @_;

    my $c = $stack->ask($o{path} // $jobs, body => $body, %o);

    is($c->status, 202, "accepted: $name") or diag($c->body), return '';

    my $id = decode_json($c->body)->{id} =~ s/^job_//r;
    return decode_json($stack->redis('GET', "weir:{0}:request:$id"));
}


sub refused {
    my ($name, $body, $status, $says, %o) = @_;

    my $c = $stack->ask($jobs, body => $body, %o);

    is($c->status, $status, "refused: $name: $status");
    my $problem = eval { decode_json($c->body) } // {};
    like($problem->{detail}, $says, "$name: says why") if $says;

    return $problem;
}


# forms of JSON

accepted('plain', $job);
accepted('white space', " \t\r\n$job \n");
accepted('pretty', $job =~ s/([{:,])/$1\n  /gr);

for (['nothing', '', qr/no body/],
     ['white space', '  ', qr/not valid JSON/],
     ['half', substr($job, 0, -5), qr/not valid JSON/],
     ['more behind it', "$job x", qr/not valid JSON/],
     ['two of them', "$job$job", qr/not valid JSON/],
     ['a string', '"x"', qr/must be a JSON object/],
     ['an array', '[]', qr/must be a JSON object/],
     ['a number', '1', qr/must be a JSON object|not valid JSON/],
     ['null', 'null', qr/must be a JSON object|not valid JSON/],
     ['single quotes', "{'request':1}", qr/not valid JSON/],
     ['a comment', "/* */$job", qr/not valid JSON/],
     ['a comma too much', '{"request":{},}', qr/not valid JSON/],
     ['NaN', '{"request":NaN}', qr/not valid JSON/],
     ['a leading zero', '{"priority":01}', qr/not valid JSON/],
     ['a number too large', '{"priority":1e999}', qr/not valid JSON/],
     ['a control character', qq({"request":"\n"}), qr/not valid JSON/],
     ['a mark of byte order', "\xef\xbb\xbf$job", qr/not valid JSON/],
     ['UTF-16', join('', map { "$_\0" } split //, $job), qr/not valid JSON/],
     ['latin1', qq({"request":"\xe4"}), qr/not valid JSON/],
     ['overlong', qq({"request":"\xc0\xaf"}), qr/not valid JSON/],
     ['a surrogate', qq({"request":"\xed\xa0\x80"}), qr/not valid JSON/],
     ['half a surrogate', '{"request":"\ud800"}', qr/not valid JSON/],
     ['beyond Unicode', qq({"request":"\xf5\x80\x80\x80"}),
      qr/not valid JSON/],
     ['NUL', "$job\0", qr/not valid JSON/],
     ['NUL, escaped', '{"request":"a\u0000b"}', qr/not valid JSON/],
     ['NUL in a key', '{"a\u0000b":1}', qr/not valid JSON/],
     ['a key twice', qq({"request":$chat,"request":$chat}),
      qr/not valid JSON/],
     ['a key twice, below', '{"request":{"a":{"b":1,"b":1}}}',
      qr/not valid JSON/],
     ['a key twice, escaped', '{"request":1,"re\u0071uest":2}',
      qr/not valid JSON/])
{
    my ($name, $body, $says) = @$_;
    refused($name, $body, 400, $says);
}


# depth: 32 levels

my $levels = sub { '{"request":{"model":"m","messages":[' . $message
                   . '],"x":' . '[' x $_[0] . ']' x $_[0] . '}}' };

accepted('32 levels', $levels->(30));
refused('33 levels', $levels->(31), 400, qr/deeper than 32 levels/);
accepted('brackets in a string', qq({"request":{"model":"m","messages":[
    {"role":"user","content":"@{[ '[{' x 100 ]}\\""}]}}));

for my $deep ('[' x 100000, '{"a":' x 100000, '[{"a":' x 50000) {
    my $start = time;
    refused('very deep', $deep, 400, qr/deeper than 32 levels/);
    cmp_ok(time - $start, '<', 3, 'at once');
}


# members of a job

for (['no request', '{}', 'request'],
     ['a request of text', '{"request":"x"}', 'request'],
     ['an unknown member', qq({"request":$chat,"colour":1}), 'colour'],
     ['a later member', qq({"request":$chat,"webhook":"x"}), 'webhook'],
     ['a dialect', qq({"request":$chat,"dialect":"x"}), 'dialect'],
     ['a priority', qq({"request":$chat,"priority":"x"}), 'priority'],
     ['a priority of number', qq({"request":$chat,"priority":1}), 'priority'],
     ['metadata of text', qq({"request":$chat,"metadata":"x"}), 'metadata'],
     ['large metadata', qq({"request":$chat,"metadata":{"x":"@{[
                            'x' x 4096 ]}"}}), 'metadata'],
     ['no model', qq({"request":{"messages":[$message]}}), 'model'],
     ['an empty model', qq({"request":{"model":"","messages":[]}}), 'model'],
     ['a model with a line', qq({"request":{"model":"a\\r\\nb","messages":[
       $message]}}), 'model'],
     ['a long model', qq({"request":{"model":"@{[ 'm' x 257 ]}","messages":[
       $message]}}), 'model'],
     ['no messages', '{"request":{"model":"m"}}', 'messages'],
     ['empty messages', '{"request":{"model":"m","messages":[]}}',
      'messages'],
     ['a bad role', '{"request":{"model":"m","messages":[{"role":"x",'
                    . '"content":""}]}}', 'messages[0]'],
     ['bad content', qq({"request":{"model":"m","messages":[$message,)
                     . '{"role":"user","content":7}]}}', 'messages[1]'],
     ['a temperature', $job =~ s/"model"/"temperature":3,"model"/r,
      'temperature'],
     ['max_tokens', $job =~ s/"model"/"max_tokens":0,"model"/r, 'max_tokens'],
     ['n', $job =~ s/"model"/"n":1.5,"model"/r, 'n'],
     ['stop', $job =~ s/"model"/"stop":[1],"model"/r, 'stop'],
     ['tools', $job =~ s/"model"/"tools":{},"model"/r, 'tools'],
     ['a stream', $job =~ s/"model"/"stream":1,"model"/r, 'stream'],
     ['its options', $job =~ s/"model"/"stream_options":[],"model"/r,
      'stream_options'])
{
    my ($name, $body, $param) = @$_;

    my $problem = refused($name, $body, 400, qr/^"\Q$param\E" /);
    is($problem->{param}, $param, "$name: param");
}

my $c = $stack->ask('/v1/chat/completions',
                    body => $chat =~ s/"model"/"stream":"yes","model"/r);
is($c->status, 400, 'a chat, streamed in a wrong way: 400');
is($c->header('Content-Type'), 'application/json', 'media type');
is(decode_json($c->body)->{error}{param}, 'stream', 'its param');


# what is accepted arrives as it was

my $neutral = accepted('all that is known', <<'END');
{"dialect": "openai", "priority": "high", "metadata": {"a": ["\u00e4", 1.5]},
 "request": {"model": "m/x:1", "temperature": 0.5, "max_tokens": 7, "top_p": 1,
  "n": 2, "seed": -9223372036854775808, "stop": "END", "user": "u",
  "logit_bias": {"50256": -100}, "messages": [
   {"role": "system", "content": "\u0001 \ud83d\ude00 \\ \" \/"},
   {"role": "user", "content": [{"type": "text", "text": "a"}]}]}}
END

is($neutral->{model}, 'm/x:1', 'model');
is($neutral->{params}{seed}, '-9223372036854775808', 'the smallest integer');
is_deeply($neutral->{params}{stop}, ['END'], 'stop');
is($neutral->{extra}{openai}{user}, 'u', 'what only the provider knows');
is($neutral->{messages}[0]{parts}[0]{text}, "\x01 \x{1f600} \\ \" /", 'text');


# media types

for ('application/json', 'Application/JSON', 'application/json; charset=utf-8',
     'application/json;charset=utf-8',
     'application/x-www-form-urlencoded')
{
    accepted($_, $job, headers => ["Content-Type: $_"]);
}

for ('text/plain', 'application/jsonp', 'multipart/form-data; boundary=x',
     'application/xml', '', 'application/octet-stream')
{
    refused("type '$_'", $job, 415, qr{application/json},
            headers => ["Content-Type: $_"]);
}

for ('gzip', 'br', 'deflate, gzip') {
    refused("coding $_", $job, 415, qr/coding/i,
            headers => ["Content-Encoding: $_"]);
}

accepted('coding identity', $job, headers => ['Content-Encoding: identity']);


# ways to travel

sub chunked {
    my ($text, $size) = @_;

    return join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                    ($text =~ /(.{1,$size})/gs), '';
}

sub travels {
    my ($name, $raw) = @_;

    my $c = $stack->ask('', raw => $raw);
    is($c->status, 202, $name) or diag($c->body);
}

my $head = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\n" . $stack->auth
           . "\r\nConnection: close\r\n";

travels('chunked', "${head}Transfer-Encoding: chunked\r\n\r\n"
                   . chunked($job, 7));
travels('a byte a chunk', "${head}Transfer-Encoding: chunked\r\n\r\n"
                          . chunked($job, 1));
travels('no type at all', "${head}Content-Length: " . length($job)
                          . "\r\n\r\n$job");
travels('HTTP/1.0', "POST /v1/jobs HTTP/1.0\r\n" . $stack->auth
                    . "\r\nContent-Length: " . length($job) . "\r\n\r\n$job");
travels('100-continue', "${head}Expect: 100-continue\r\nContent-Length: "
                        . length($job) . "\r\n\r\n$job");

my $text = join '', map { chr(33 + $_ % 90) } 1 .. 200000;
$text =~ s/(["\\])/\\$1/g;
my $large = $job =~ s/"Hi"/"$text"/r;

for (['in memory', '/v1/jobs'], ['half in a file', '/small/v1/jobs'],
     ['in a file', '/file/v1/jobs'])
{
    my ($name, $path) = @$_;

    my $neutral = accepted("large, $name", $large, path => $path);
    is($neutral->{messages}[0]{parts}[0]{text},
       decode_json(qq(["$text"]))->[0], 'and whole');
    accepted("small, $name", $job, path => $path);

    my $c = $stack->ask('', raw => "$head" =~ s{/v1/jobs}{$path}r
                        . "Transfer-Encoding: chunked\r\n\r\n"
                        . chunked($large, 5000));
    is($c->status, 202, "large, $name, chunked");
}

refused('more than the location takes', 'x' x 5000000, 413);


# byte by byte

my $slow = Weir::Client->new(port => $stack->port, raw => '');
$slow->{socket}->blocking(1);

for my $byte (split //, "${head}Content-Length: " . length($job)
                        . "\r\n\r\n$job")
{
    syswrite $slow->{socket}, $byte;
}

$slow->{socket}->blocking(0);
ok($slow->wait(5), 'byte by byte');
is($slow->status, 202, 'accepted');
$slow->close;


# a body where none is expected

is($stack->ask('/v1/models', method => 'GET', body => $job)->status, 503,
   'GET with a body');

$stack->end;

done_testing();

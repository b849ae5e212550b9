# A provider that speaks the Anthropic dialect: who asks in that of OpenAI gets
# an answer in it, whole or made of events, and what is no whole message is none.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q'
            . 'DwADhgGAWjR9awAAAABJRU5ErkJggg==';

my @tools = (tools => [{ type => 'function', function => {
    name => 'f', description => 'F of x',
    parameters => { type => 'object', properties => { x => {} } } } }]);

my ($stack, $kind);
my $n = 0;


sub start {
    my ($name, %o) = @_;

    $kind = $name;
    $stack = Weir::Stack->new(location => 'weir_api;', dialect => 'anthropic',
        worker => "attempts = 2\n    backoff = 10ms", %o)->start;
}


# An answer: of a request that waits for it, or of a job, which the provider is
# asked for as a stream.

sub chat {
    my ($messages, %more) = @_;

    $messages = [{ role => 'user', content => $messages }] if !ref $messages;
    my $request = { model => 'claude-x', messages => $messages, %more };

    if ($kind eq 'whole') {
        my $c = $stack->ask('/v1/chat/completions',
                            body => encode_json($request));
        return { status => $c->status, json => decode_json($c->body) };
    }

    my $job = decode_json($stack->ask('/v1/jobs', timeout => 30,
        headers => ['Prefer: wait=30'],
        body => encode_json({ request => $request }))->body);

    return $job->{status} eq 'completed'
           ? { status => 200, json => $job->{result} }
           : { status => $job->{error}{status}, json => $job };
}


sub last_call { decode_json($stack->mock('/mock/last')->body) }
sub tag       { "$kind-" . ++$n }


# answers(NAME, MESSAGES, MORE): the completion

sub answers {
    my ($name, $messages, %more) = @_;

    my $answer = chat($messages, %more);
    my $doc = $answer->{json};
    is($answer->{status}, 200, "$kind, $name: 200") or diag(encode_json($doc));
    is($doc->{object}, 'chat.completion', "$kind, $name: a completion");

    return $doc;
}


sub message { $_[0]{choices}[0]{message} }
sub reason  { $_[0]{choices}[0]{finish_reason} }


# asked(NAME, WANTED): what the provider got, but for what is the same always

sub asked {
    my ($name, $want) = @_;

    my $json = last_call()->{json};
    my $streamed = delete $json->{stream};

    is(!!$streamed, $kind eq 'stream', "$kind, $name: as it is set");
    is_deeply($json, { model => 'claude-x', max_tokens => 4096, %$want },
              "$kind, $name: the call");
}


sub says {
    my $doc = answers('text', [
        { role => 'system', content => 'Be brief.' },
        { role => 'developer', content => 'Be kind.' },
        { role => 'user', content => "Grüße \x{1f30a}" }]);

    is(message($doc)->{content}, "Echo: Grüße \x{1f30a}", "$kind: the text");
    is(reason($doc), 'stop', "$kind: its reason");
    is($doc->{model}, 'claude-x', "$kind: the model");
    is_deeply($doc->{usage}, { prompt_tokens => 8, completion_tokens => 5,
                               total_tokens => 13 }, "$kind: the usage");

    asked('text', {
        system => [{ type => 'text', text => 'Be brief.' },
                   { type => 'text', text => 'Be kind.' }],
        messages => [{ role => 'user', content => "Grüße \x{1f30a}" }] });

    my $last = last_call();
    is($last->{path}, '/v1/messages', "$kind: the path");
    is($last->{headers}{'x-api-key'}, 'mock', "$kind: the key");
    is($last->{headers}{'anthropic-version'}, '2023-06-01',
       "$kind: the version");
    is($last->{headers}{authorization}, undef, "$kind: no bearer");
    ok($last->{headers}{'x-request-id'}, "$kind: the request's id");

    answers('parameters', 'Hi', max_completion_tokens => 7, stop => "\n",
            temperature => 0.5, top_p => 0.9, user => 'u', store => \0);
    asked('parameters', {
        max_tokens => 7, stop_sequences => ["\n"], temperature => 0.5,
        top_p => 0.9, metadata => { user_id => 'u' },
        messages => [{ role => 'user', content => 'Hi' }] });
}


sub uses_tools {
    my $doc = answers('tools', '[[mock tool=f tools=2 preface=1 args={"x":1}]]',
        @tools, tool_choice => 'required', parallel_tool_calls => \1);

    is(reason($doc), 'tool_calls', "$kind, tools: the reason");
    like(message($doc)->{content}, qr/^tok/, "$kind, tools: the text before");

    my $calls = message($doc)->{tool_calls};
    is_deeply([map { [$_->{type}, $_->{function}{name},
                      decode_json($_->{function}{arguments})] } @$calls],
              [(['function', 'f', { x => 1 }]) x 2], "$kind, tools: calls");
    like($calls->[1]{id}, qr/^toolu_mock_\d+_1$/, "$kind, tools: the ids");

    my $call = last_call()->{json};
    is_deeply($call->{tools}, [{ name => 'f', description => 'F of x',
        input_schema => $tools[1][0]{function}{parameters} }],
        "$kind, tools: as they are offered");
    is_deeply($call->{tool_choice}, { type => 'any' }, "$kind: the choice");

    $doc = answers('results', [
        { role => 'user', content => 'Hi' },
        { role => 'assistant', content => undef, tool_calls => $calls },
        { role => 'tool', tool_call_id => $calls->[0]{id}, content => 'one' },
        { role => 'tool', tool_call_id => $calls->[1]{id}, content => 'two' },
        { role => 'user', content => 'And now?' }], @tools);
    is(message($doc)->{content}, 'Echo: And now?', "$kind: after the results");

    is_deeply(last_call()->{json}{messages}, [
        { role => 'user', content => 'Hi' },
        { role => 'assistant', content => [
            map { { type => 'tool_use', id => $_->{id}, name => 'f',
                    input => { x => 1 } } } @$calls] },
        { role => 'user', content => [
            { type => 'tool_result', tool_use_id => $calls->[0]{id},
              content => 'one' },
            { type => 'tool_result', tool_use_id => $calls->[1]{id},
              content => 'two' },
            { type => 'text', text => 'And now?' }] }],
        "$kind, results: the call");
}


sub sees {
    answers('images', [{ role => 'user', content => [
        { type => 'text', text => 'Look' },
        { type => 'image_url', image_url => { url => 'https://h/a.png',
                                              detail => 'low' } },
        { type => 'image_url', image_url => {
            url => "data:image/png;base64,$PIXEL" } }] }]);

    asked('images', { messages => [{ role => 'user', content => [
        { type => 'text', text => 'Look' },
        { type => 'image', source => { type => 'url',
                                       url => 'https://h/a.png' } },
        { type => 'image', source => { type => 'base64',
            media_type => 'image/png', data => $PIXEL } }] }] });
}


sub ends {
    for (['end_turn', 'stop'], ['max_tokens', 'length'], ['refusal',
         'content_filter'], ['stop_sequence', 'stop'],
         ['pause_turn', 'pause_turn'])
    {
        my ($from, $to) = @$_;
        is(reason(answers($from, "[[mock finish=$from]]")), $to,
           "$kind: $from is $to");
    }

    my $doc = answers('cut', '[[mock size=400]]', max_tokens => 3);
    is(reason($doc), 'length', "$kind: max_tokens");
    is($doc->{usage}{completion_tokens}, 3, "$kind: and so many");

    $doc = answers('cache', '[[mock cached=3]] a question of some length');
    is($doc->{usage}{prompt_tokens}, 11, "$kind: what was cached counts");
    is($doc->{usage}{prompt_tokens_details}{cached_tokens}, 3,
       "$kind: and is told");

    $doc = answers('thinking', '[[mock thinking=2]] Hi');
    is(message($doc)->{content}, 'Echo: Hi', "$kind: after thinking");
    ok(message($doc)->{reasoning_content}, "$kind: which is shown");
}


# what cannot be said is refused at once, and nobody is called

sub refuses {
    my $before = $stack->metric('provider_calls_total');

    for (['seed', seed => 1], ['n', n => 2], ['temperature',
         temperature => 1.5], ['logit_bias', logit_bias => { 5 => 1 }],
         ['response_format', response_format => { type => 'json_object' }])
    {
        my ($param, %more) = @$_;
        my $tag = tag();

        my $answer = chat("[[mock tag=$tag]] Hi", %more);
        is($answer->{status}, 400, "$kind, $param: 400");
        my $error = $answer->{json}{error};
        is($error->{code}, 'untranslatable', "$kind, $param: its code");
        is($error->{param}, $param, "$kind, $param: its name")
            if $kind eq 'whole';
        is($stack->calls($tag), 0, "$kind, $param: nobody was asked");
    }

    is($stack->metric('provider_calls_total'), $before,
       "$kind: nor was it counted");
}


# tries(PLAN, CALLS, STATUS, CODE): what comes of it, the completion if any

sub tries {
    my ($plan, $calls, $status, $code) = @_;

    my $tag = tag();
    my $answer = chat("[[mock tag=$tag $plan]] Hi");
    my $text = encode_json($answer->{json});

    is($answer->{status}, $status, "$kind, $plan: $status") or diag($text);
    is($stack->calls($tag), $calls, "$kind, $plan: asked $calls times");

    if ($status != 200) {
        my $error = $answer->{json}{error};
        $code //= 'invalid_request' if $kind ne 'whole';
        is($error->{code}, $code, "$kind, $plan: its code");
        like($error->{message}, qr/./, "$kind, $plan: says why");
        unlike($text, qr/claude-secret/, 'and no more');
    }

    return $answer->{json};
}


sub fails {
    tries('status=400', 1, 400, undef);
    tries('status=401', 1, 502, 'upstream_auth');
    tries('status=403', 1, 502, 'upstream_auth');
    tries('key=claude-secret', 1, 502, 'upstream_auth');
    tries('key=mock', 1, 200);
    tries('status=404', 1, 404, 'not_found');
    tries('status=413', 1, 413, 'request_too_large');
    tries('status=418', 1, 400, undef);
    tries('status=302', 1, 502, 'upstream_error');

    tries('status=429 retry-after-ms=20 times=1', 2, 200);
    tries('status=429 retry-after=0', 2, 429, 'rate_limit_exceeded');
    tries('status=500', 2, 502, 'upstream_error');
    tries('status=529 times=1', 2, 200);
    tries('status=529', 2, 503, 'upstream_overloaded');
    tries('status=503 times=1', 2, 200);

    tries("$_ times=1", 2, 200)
        for qw(cut=before cut=headers cut=body garbage=json garbage=html
               garbage=empty garbage=binary garbage=utf8);

    tries('cut=body', 2, 502, 'upstream_error');
    tries('garbage=json', 2, 502, 'upstream_invalid');
    tries('garbage=empty', 2, 502, 'upstream_invalid');

    tries('trickle=5', 1, 200);
}


# whatever one asks the provider for, it may answer the other way

sub is_answered_otherwise {
    my ($streams) = @_;

    if ($streams) {
        my $doc = tries('stream=never size=5000', 1, 200);
        is(length message($doc)->{content}, 5000,
           'a whole message though events were asked for');

    } else {
        tries('stream=always', 2, 502, 'upstream_invalid');
    }
}


for my $streams (0, 1) {
    start($streams ? 'stream' : 'whole');

    says();
    uses_tools();
    sees();
    ends();
    refuses();
    fails();
    is_answered_otherwise($streams);

    $stack->end if !$streams;
}


# a stream and what goes wrong in it: the second is a good one

sub streams {
    my ($plan) = @_;

    my $doc = tries("size=900 $plan", 1, 200);
    is(length message($doc)->{content}, 900, "$plan: whole");
}

streams($_) for 'ping=1', 'comment=1', 'eol=crlf', 'eol=cr', 'eol=mixed',
    'space=0', 'escape=1', 'batch=7', 'piece=1', 'piece=7 eol=crlf',
    'piece=3', 'bad=unknown', 'bad=empty', 'pause=200';

for ('error=overloaded_error', 'error=api_error', 'error=rate_limit_error',
     'error=something_new', 'error=api_error after=0', 'cut=body', 'cut=event',
     'stop=body', 'stop=event', 'stop=text', 'stop=finish', 'stop=marker',
     'stop=open', 'bad=json', 'bad=utf8', 'bad=array')
{
    my $doc = tries("size=900 $_ times=1", 2, 200);
    is(length message($doc)->{content}, 900, "$_: nothing of the first");
}

tries('error=overloaded_error', 2, 503, 'upstream_overloaded');
tries('error=rate_limit_error', 2, 429, 'rate_limit_exceeded');
tries('error=api_error', 2, 502, 'upstream_error');
tries('error=invalid_request_error', 1, 400, undef);
tries('error=authentication_error', 1, 502, 'upstream_auth');
tries('error=request_too_large', 1, 413, 'request_too_large');
tries("stop=$_", 2, 502, 'upstream_truncated') for qw(text finish marker open);
tries('bad=json', 2, 502, 'upstream_invalid');
tries('bad=huge', 1, 502, 'upstream_invalid');

my $wide = '[[mock words=wide size=900 piece=3]]';
is(message(answers('wide', $wide))->{content},
   decode_json($stack->mock('/v1/chat/completions', body => encode_json({
       model => 'm', messages => [{ role => 'user', content => $wide }]
   }))->body)->{choices}[0]{message}{content}, 'characters in pieces');

my $usage = chat('[[mock usage=none size=400]] Hi')->{json}{usage};
is($usage->{completion_tokens}, 100, 'no usage: estimated');
cmp_ok($usage->{prompt_tokens}, '>', 0, 'the question too');

$stack->end;


# who takes too long, or only says that he lives

start('slow', provider => "timeout = 1s\n    stream_timeout = 500ms");
tries('hang times=1', 2, 200);
tries('hang', 2, 504, 'timeout');
tries('ping=1 every=600 size=100', 2, 504, 'timeout');
$stack->end;


# a run that was put off goes to whom the configuration names then

start('moved', worker => "attempts = 2\n    backoff = 60s",
      worker_more => sprintf(<<'END', Weir::Stack::free_port()));
provider "old" {
    base_url = "http://127.0.0.1:%d/v1"
}

model "moving" {
    provider = "old"
}
END

my $run = decode_json($stack->ask('/v1/jobs', body => encode_json({
    request => { model => 'moving', stop => ['#'], messages => [
        { role => 'user', content => '[[mock tag=moved]] Hi' }] } }))->body);
$stack->wait_log('worker', qr/event=run_put_off/, 10);

my $file = $stack->dir . '/worker.conf';
my $conf = Weir::Stack::slurp($file);
$conf =~ s/provider = "old"/provider = "mock"/ or die;
Weir::Stack::write_file($file, $conf);
$stack->signal('worker', 'HUP');
$stack->wait_log('worker', qr/event=reloaded/, 10);

# its time has come

$stack->redis('ZADD', 'weir:{0}:delayed', 'XX', 1,
              @{ $stack->redis('ZRANGE', 'weir:{0}:delayed', 0, 0) });
$stack->wait_for(10, sub { $stack->calls('moved') == 1 }, 'another provider');
is(last_call()->{path}, '/v1/messages', 'of another dialect');
is_deeply(last_call()->{json}{stop_sequences}, ['#'], 'in its own words');
$stack->wait_for(5, sub {
    decode_json($stack->ask("/v1/jobs/$run->{id}")->body)->{status}
        eq 'completed';
}, 'the end');
$stack->end;


# the job API, a list of models in pages, and a process that died: the call is
# then made by a cell

start('jobs', mock => ['--plan', 'models=claude-1,claude/2,claude-3,c:4,c5']);

$stack->wait_for(10, sub {
    $stack->ask('/v1/models')->body =~ /"c5"/;
}, 'the models');

is_deeply([sort map { $_->{id} }
           @{ decode_json($stack->ask('/v1/models')->body)->{data} }],
          [qw(c5 c:4 claude-1 claude-3 claude/2)], 'models of all pages');


sub job {
    my ($text, %more) = @_;

    my $c = $stack->ask('/v1/jobs', body => encode_json({ request => {
        model => 'claude-1', messages => [{ role => 'user',
                                            content => $text }], %more } }));
    is($c->status, 202, 'a job');

    return decode_json($c->body)->{id};
}


sub ended {
    my ($id) = @_;

    my $job;
    $stack->wait_for(15, sub {
        $job = decode_json($stack->ask("/v1/jobs/$id")->body);
        return $job->{status} =~ /^(?:completed|failed)$/;
    }, 'its end');

    return $job;
}


my $job = ended(job('[[mock tool=f]]', @tools));
is($job->{status}, 'completed', 'it completed');
is($job->{result}{choices}[0]{message}{tool_calls}[0]{function}{name}, 'f',
   'in the dialect in which it was asked');

$job = ended(job('Hi', seed => 5));
is($job->{error}{code}, 'untranslatable', 'what cannot be said');

my $id = job('[[mock tag=cell delay=1200 tool=f args={"x":2}]]', @tools);
$stack->wait_for(5, sub { $stack->calls('cell') == 1 }, 'the call');
$stack->kill_child('worker') for 1, 2;

$job = ended($id);
is($job->{status}, 'completed', 'a cell has done it');
is_deeply(decode_json($job->{result}{choices}[0]{message}{tool_calls}[0]
                          {function}{arguments}), { x => 2 }, 'as a runner does');
is(last_call()->{path}, '/v1/messages', 'at the same place');
cmp_ok($stack->metric('runs_isolated_total'), '>=', 1, 'it was a cell');

$stack->end;

done_testing();

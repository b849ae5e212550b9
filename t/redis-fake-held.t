# A whole held request through a Redis whose every byte comes alone, with mail
# of every bad form before the right one, and mail that never comes.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::FakeRedis;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
                             weir_redis => 'timeout=2s connect_timeout=2s',
                             server => 'location = /readyz { weir_readyz; }
                                        location = /m { weir_metrics; }');

$stack->keys;
my $fake = Weir::FakeRedis->new(path => $stack->dir . '/redis.sock');

$stack->start('nginx');

my $chat = '{"model":"m","messages":[{"role":"user","content":"Hi"}]}';
my $job = qq({"request":$chat});
my $token = '1000001';


sub ready {
    $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 },
                     'both connections');
}


sub metric {
    my ($name) = @_;

    return $stack->ask('/m')->body =~ /^\Q$name\E (\d+)/m ? $1 : undef;
}


# waits for a submission that was not seen yet

my %seen;

sub last_submission {
    my ($run, $mailbox);

    $stack->wait_for(5, sub {
        my @commands = $fake->commands;

        for (@commands) {
            $mailbox = $1 if $_->[0] eq 'SUBSCRIBE'
                             && $_->[1] =~ /^weir:mail:(.*)/;
            next if $_->[0] ne 'EXEC' || !grep { $_ eq 'XADD' } @$_;
            ($run) = map { /^weir:\{0\}:run:(.*)/ ? $1 : () } @$_;
        }

        return defined $run && !$seen{$run}++;
    }, 'a submission');

    return ($run, $mailbox);
}


sub outcome {
    my ($text) = @_;

    return encode_json({
        v => 1, state => 'completed', started_at => 1700000000000,
        finished_at => 1700000001000, attempts => 1, provider => 'p',
        model => 'm', usage => { input_tokens => 3, output_tokens => 4 },
        choices => [{ index => 0, role => 'assistant', stop => 'end',
                      parts => [{ type => 'text', text => $text }] }],
    });
}


sub finish {
    my ($run, $text) = @_;

    $stack->redis('SET', "weir:{0}:outcome:$run:$token", outcome($text));
    $stack->redis('HSET', "weir:{0}:run:$run", fin => "completed:$token",
                  fin_at => 1700000001000);
}


sub mail {
    my ($run, $mailbox, $outcome) = @_;

    return $stack->redis('PUBLISH', "weir:mail:$mailbox",
                 "$run completed:$token 1700000001000\n" . ($outcome // ''));
}


sub answered {
    my ($c, $text, $name) = @_;

    ok($c->wait(5), "$name: answered") or return;
    is($c->status, 200, "$name: 200");

    my $body = decode_json($c->body);
    my $result = $body->{object} eq 'job' ? $body->{result} : $body;

    is($result->{choices}[0]{message}{content}, $text, "$name: the text");
}


for my $chop (0, 1) {
    my $bytes = $chop ? 'byte by byte' : 'at once';

    ready();

    my $connects = metric('weir_redis_connects_total');

    $fake->mode(chop => $chop);
    $fake->drop;

    # a submission over a connection that is just lost would get 503

    $stack->wait_for(10, sub {
        metric('weir_redis_connects_total') >= $connects + 2;
    }, 'both connections were made anew under this mode');
    ready();

    for (['/v1/chat/completions', $chat, []],
         ['/v1/jobs', $job, ['Prefer: wait=20']])
    {
        my ($path, $body, $headers) = @$_;

        # the outcome in the mail

        my @options = (body => $body, headers => $headers);
        my $c = $stack->request($path, @options);
        my ($run, $mailbox) = last_submission();

        finish($run, 'not read');
        is(mail($run, $mailbox, outcome("Hello $path")), 1, 'one subscriber');
        answered($c, "Hello $path", "$path, $bytes, outcome in the mail");

        # the outcome is fetched

        $c = $stack->request($path, @options);
        ($run, $mailbox) = last_submission();

        my $long = 'x' x 5000;
        finish($run, $long);
        mail($run, $mailbox);
        answered($c, $long, "$path, $bytes, outcome fetched");
    }
}

$fake->mode;


# mail that is none, or for others, is passed over

my $c = $stack->request('/v1/chat/completions', body => $chat);
my ($run, $mailbox) = last_submission();

for ('', "\n", 'x', "$run\n", "$run completed:$token\n",
     "$run completed: 1\n", "$run done:$token 1\n",
     "$run completed:$token x\n", "$run completed:" . 'a' x 40 . " 1\n",
     "${run}x completed:$token 1\n", ' ' x 3 . "\n", "\0" x 100,
     'x' x 100000, "00" . 'z' x 22 . " completed:$token 1\n{}")
{
    is($stack->redis('PUBLISH', "weir:mail:$mailbox", $_), 1, 'bad mail sent');
}

finish($run, 'good');
mail($run, $mailbox, outcome('good'));
answered($c, 'good', 'after bad mail');
$stack->wait_log('nginx', qr/a message in the mailbox that is none/, 5);


# mail with a broken outcome: an error, and nobody hangs

for my $bad ('{', '[]', '{"v":9}') {
    my $c = $stack->request('/v1/chat/completions', body => $chat);
    my ($run, $mailbox) = last_submission();

    mail($run, $mailbox, $bad);
    ok($c->wait(5), "mail with outcome $bad: answered");
    cmp_ok($c->status, '>=', 400, 'with an error');
    ok(decode_json($c->body)->{error}{message}, 'in its dialect');
}


# mail twice: the second one meets nobody

$c = $stack->request('/v1/chat/completions', body => $chat);
($run, $mailbox) = last_submission();
mail($run, $mailbox, outcome('once')) for 1, 2;
answered($c, 'once', 'mail twice');


# no mail: the re-check finds it, two seconds later at the most

my $hits = metric('weir_recheck_hits_total');
$c = $stack->request('/v1/chat/completions', body => $chat);
($run, $mailbox) = last_submission();
finish($run, 'found');
answered($c, 'found', 're-check');
is(metric('weir_recheck_hits_total'), $hits + 1, 'counted');


# the end comes before the answer to the submission

$fake->rules({ on => 'EXEC', with => 'XADD', times => 1, done => 1,
               mute => 1 });
$c = $stack->request('/v1/chat/completions', body => $chat);
($run, $mailbox) = last_submission();
mail($run, $mailbox, outcome('early'));
answered($c, 'early', 'mail before the answer');
$fake->rules;
$fake->drop;


# so does that of a submission that came late and is void: it was not accepted

$stack->wait_for(10, sub { metric('weir_redis_ready') < 2 }, 'lost');
ready();

for (['/v1/chat/completions', $chat, []],
     ['/v1/jobs', $job, ['Prefer: wait=20']])
{
    my ($path, $body, $headers) = @$_;

    $fake->rules({ on => 'EXEC', with => 'XADD', times => 1, done => 1,
                   mute => 1 });
    my $c = $stack->request($path, body => $body, headers => $headers);
    ($run, $mailbox) = last_submission();
    $stack->redis('PUBLISH', "weir:mail:$mailbox",
                  "$run cancelled:late 1700000001000\n");
    ok($c->wait(1.5), "$path, void: answered before the time is up");
    is($c->status, 503, 'with 503');
    ok(!defined $c->header('X-Weir-Job'), 'and no job');
    $fake->rules;
    $fake->drop;
    $stack->wait_for(10, sub { metric('weir_redis_ready') < 2 }, 'lost');
    ready();
}


# the connections break while a request is held: it stays, and is answered

for my $try (1 .. 3) {
    my $c = $stack->request('/v1/chat/completions', body => $chat);
    ($run, $mailbox) = last_submission();
    $fake->drop;
    $stack->wait_for(10, sub { metric('weir_redis_ready') < 2 }, 'lost');
    finish($run, "after $try");
    answered($c, "after $try", "reconnect $try");
    ready();
}


# the run is gone from Redis: 503, and nobody waits for ever

$c = $stack->request('/v1/chat/completions', body => $chat);
($run) = last_submission();
$stack->redis('DEL', "weir:{0}:run:$run");
ok($c->wait(5), 'a lost run: answered');
is($c->status, 503, 'with 503');

is(metric('weir_requests_parked'), 0, 'nobody is left');

$stack->end;
$fake->stop;

done_testing();

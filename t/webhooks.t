# Webhooks: what a receiver gets, what becomes of those that fail, and where
# none may go.  Checks AP-20, AP-21, SE-05, SE-06, SE-07, SE-09.

use strict;
use warnings;

use lib 't/lib';
use Cwd qw(abs_path);
use JSON::PP;
use List::Util qw(uniq);
use Socket qw(getaddrinfo getnameinfo NI_NUMERICHOST SOCK_STREAM);
use Test::More;
use Time::HiRes qw(time);
use Weir::Receiver;
use Weir::Stack;

my $SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $SECOND = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
my $SCHEDULE = 'schedule = "100ms 200ms 300ms"';
my @WAITS = (0.1, 0.2, 0.3);

# a name that no filter of texts knows for what it is, and who listens there

my ($name) = grep { defined address_of($_) }
             qw(ip6-localhost ip6-loopback), `hostname` =~ /^([\w.-]+)$/;
my $inside = $name && Weir::Receiver->new(dir => $ENV{TEST_NGINX_DIR},
                                          host => address_of($name));
my $inside_port = $inside ? $inside->port : 9;


sub address_of {
    my ($name) = @_;

    my ($error, @found) = getaddrinfo($name, 443,
                                      { socktype => SOCK_STREAM });
    my @hosts = uniq(map { (getnameinfo($_->{addr}, NI_NUMERICHOST))[1] }
                     @found);

    return @hosts == 1 && $hosts[0] =~ /^(?:::1$|127\.)/ ? $hosts[0] : undef;
}


my $stack = Weir::Stack->new(location => 'weir_api;',
    http => "weir_webhook_allow 127.0.0.0/8; weir_webhook_port $inside_port;",
    worker => "attempts = 1",
    worker_more => <<"END");
webhook {
    timeout = 1s
    $SCHEDULE
    allow = "127.0.0.0/8"
}
END

my $receiver = Weir::Receiver->new(dir => $stack->dir);

# keys that have a webhook, and a secret for those of jobs

$stack->keys;

my $hooked = $stack->create_key('carol', 'submit', '--webhook',
    $receiver->url('ok/key'), '--webhook-secret', $SECRET);
my $signed = $stack->create_key('dave', 'submit', '--webhook-secret', $SECRET);

$stack->start;

my %job;


# submit(NAME, PATH, [DIRECTIVES, MEMBERS]): a job with a webhook; its id

sub submit {
    my ($name, $path, $plan, %more) = @_;

    my $c = $stack->ask('/v1/jobs', body => encode_json({
        request => { model => 'mock-1', messages => [
            { role => 'user', content => "[[mock @{[ $plan // '' ]}]] Hi" } ] },
        metadata => { name => $name },
        webhook => { url => $receiver->url("$path/$name"), secret => $SECRET },
        %more,
    }));

    is($c->status, 202, "$name: accepted") or diag($c->body);

    return $job{$name} = decode_json($c->body)->{id};
}


sub state_of {
    my ($name) = @_;

    my $id = $job{$name} =~ s/^job_//r;

    return $stack->redis('HGET', "weir:{0}:hook:$id", 'state') // '';
}


sub ends {
    my ($name, $state, $seconds) = @_;

    $stack->wait_for($seconds // 10, sub { state_of($name) eq $state },
                     "$name: $state");
}


sub verified {
    my (@messages) = @_;

    my $node = abs_path('build/node') // die 'build/node is missing';
    my $in = $stack->dir . '/webhooks.json';

    Weir::Stack::write_file($in, encode_json(\@messages));
    my $out = `timeout 60 node t/sdk/webhook.mjs '$node' < '$in'`;

    my $seen = eval { decode_json($out) } // [];

    return @$seen;
}


# all begin at once; what each did is looked at below

my @plans = (
    ['plain', 'ok'],
    ['failed', 'ok', 'status=400'],
    ['again', 'status/500/3'],
    ['never', 'status/500/99'],
    ['moved', 'status/301/1'],
    ['redirect', 'to/169.254.169.254'],
    ['back', 'to/127.0.0.1:' . $receiver->port],
    ['gone', 'status/410/1'],
    ['wait', 'after/429/1'],
    ['wait503', 'after/503/1'],
    ['heedless', 'after/500/30'],
    ['hang', 'hang/1'],
    ['drip', 'drip/500'],
    ['endless', 'endless/500'],
    ['heads', 'heads'],
    ['half', 'half'],
    ['lf', 'lf'],
    ['babble', 'endless/200'],
    ['slow', 'drip/200'],
);

submit(@$_) for @plans;


# the message

ends('plain', 'delivered');

my ($m) = my @plain = $receiver->got('plain');
my $data = decode_json($m->{body});
my $job = decode_json($stack->ask("/v1/jobs/$job{plain}")->body);

is(@plain, 1, 'one message');
is($m->{method}, 'POST', 'POST');
is($m->{headers}{'content-type'}, 'application/json', 'of JSON');
like($m->{headers}{'user-agent'}, qr{^Weir/\d}, 'its agent');
is($m->{headers}{'webhook-id'}, $job{plain} =~ s/^job_/msg_/r, 'its id');
cmp_ok(abs($m->{headers}{'webhook-timestamp'} - time), '<', 60, 'its time');
is($data->{type}, 'job.completed', 'its type');
like($data->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'when');
is_deeply($data->{data}, $job, 'the job as the API shows it');
is($data->{data}{metadata}{name}, 'plain', 'with its metadata');
like($data->{data}{result}{choices}[0]{message}{content}, qr/^Echo/,
     'and its result');

ends('failed', 'delivered');
$data = decode_json(($receiver->got('failed'))[0]{body});
is($data->{type}, 'job.failed', 'a failed job');
is($data->{data}{result}, undef, 'has no result');
ok($data->{data}{error}{code}, 'but an error');


# while a secret is changed, each of the two is enough

my $c = $stack->ask('/v1/jobs', body => encode_json({
    request => { model => 'mock-1', messages => [
        { role => 'user', content => 'Hi' } ] },
    webhook => { url => $receiver->url('ok/two'), secret => "$SECRET $SECOND" },
}));
$job{two} = decode_json($c->body)->{id};
ends('two', 'delivered');

my ($two) = $receiver->got('two');
my @seen = verified({ %$m, secret => $SECRET }, { %$two, secret => $SECRET },
                    { %$two, secret => $SECOND }, { %$m, secret => $SECOND });

for my $by (qw(standard openai)) {
    is_deeply([map { $_->{$by} } @seen[0 .. 2]], [('job.completed') x 3],
              "$by: takes it, by one secret and by either of two");
    isnt($seen[3]{$by}, 'job.completed', "$by: not by a wrong one");
}


# by the key: where, or only with what

sub by_key {
    my ($key, @webhook) = @_;

    return $stack->ask('/v1/jobs', no_key => 1,
        headers => ["Authorization: Bearer $key"], body => encode_json({
            request => { model => 'mock-1', messages => [
                { role => 'user', content => 'Hi' } ] }, @webhook }))->status;
}


is(by_key($hooked), 202, 'a key with a webhook');
is(by_key($hooked, webhook => $receiver->url('ok/own')), 202,
   'the job says where');
is(by_key($signed, webhook => $receiver->url('ok/signed')), 202,
   'and has the secret of the key');
is(by_key($signed), 202, 'a key with a secret alone');
is(by_key($stack->{other_key}, webhook => $receiver->url('ok/none')), 400,
   'no secret at all');
is(by_key($signed, webhook => { url => $receiver->url('ok/odd'), secret => $_ }),
   400, 'one that is none does not give way to that of the key')
    for 7, '', JSON::PP::null;

$stack->wait_for(10, sub { $receiver->got($_) }, $_) for qw(key own signed);
@seen = verified(map { { %{ ($receiver->got($_))[0] }, secret => $SECRET } }
                 qw(key own signed));
is_deeply([map { $_->{standard} } @seen], [('job.completed') x 3],
          'signed with the secret of the key');


# again, on schedule, the same bytes under the same id

ends('again', 'delivered');

my @again = $receiver->got('again');
is(@again, 4, 'three tries fail, the fourth does not');
is(scalar uniq(map { $_->{headers}{'webhook-id'} } @again), 1, 'one id');
is(scalar uniq(map { $_->{body} } @again), 1, 'one body');

for (0 .. 2) {
    my $gap = $again[$_ + 1]{time} - $again[$_]{time};
    cmp_ok($gap, '>=', $WAITS[$_], "not before its time: $_");
    cmp_ok($gap, '<', $WAITS[$_] + 5, "nor long after: $_");
}

ends('never', 'failed');
is($receiver->got('never'), 4, 'given up after the last try');
like($stack->log('worker'), qr/event=webhook_given_up job=$job{never}/,
     'which is logged');

ends('moved', 'delivered');
is($receiver->got('moved'), 2, '301 is a failure');
ends('redirect', 'failed');
is($receiver->got('redirect'), 4, 'so is a redirect to a private address');
ends('back', 'failed');
is((grep { $_->{path} eq '/' } $receiver->got), 0, 'none is followed');


# the receiver asks for time; not every status can

for (['wait', 0.95, 5], ['wait503', 0.95, 5], ['heedless', 0.1, 5]) {
    my ($name, $least, $most) = @$_;

    ends($name, 'delivered');
    my ($first, $then) = $receiver->got($name);
    my $gap = $then->{time} - $first->{time};
    cmp_ok($gap, '>=', $least, "$name: Retry-After: not before");
    cmp_ok($gap, '<', $most, "$name: nor long after");
}


# receivers that do not behave; one that says 2xx may then do as it likes

ends('hang', 'delivered');
my ($first, $then) = $receiver->got('hang');
cmp_ok($then->{time} - $first->{time}, '>=', 1, 'a hanging one has its time');
cmp_ok($then->{time} - $first->{time}, '<', 10, 'and no more');

for my $name (qw(drip endless heads half)) {
    ends($name, 'failed', 30);
    my @got = $receiver->got($name);
    is(@got, 4, "$name: four tries");
    cmp_ok($got[3]{time} - $got[0]{time}, '<', 20, "$name: each is cut");
}

like($stack->log('worker'), qr/job=$job{heads} .*reason="the reply is too large/,
     'heads: by their bytes');

for my $name (qw(babble slow lf)) {
    ends($name, 'delivered');
    is($receiver->got($name), 1, "$name: taken at once");
}


# 410: no more, for this owner and URL, until somebody says so

ends('gone', 'disabled');
is($receiver->got('gone'), 1, '410 is not tried again');

my $gone = $job{gone};
submit('gone', 'status/410/1');
ends('gone', 'disabled');
is($receiver->got('gone'), 1, 'nor is another job announced there');

is(system("$stack->{build}/weir", 'webhooks', 'redeliver', '--redis',
          "unix:@{[ $stack->dir ]}/redis.sock", $gone), 0, 'redeliver');
$job{gone} = $gone;
ends('gone', 'delivered');
is($receiver->got('gone'), 2, 'is delivered after all');


# a cancelled job is announced once, and as nothing else

submit('cancel', 'ok', 'delay=1500');
$stack->wait_for(5, sub {
    decode_json($stack->ask("/v1/jobs/$job{cancel}")->body)->{status}
        eq 'in_progress'
}, 'in progress');
$stack->ask("/v1/jobs/$job{cancel}", method => 'DELETE');
ends('cancel', 'delivered');
$stack->wait_for(5, sub {
    $stack->mock_calls->{open} == 0
}, 'the call is over');

submit('after', 'ok');                  # and what came of it would be there
ends('after', 'delivered');
is(join(' ', map { decode_json($_->{body})->{type} }
        $receiver->got('cancel')), 'job.cancelled', 'cancelled, once');

submit('late', 'ok', 'delay=60000', deadline => int(time) + 2);
ends('late', 'delivered', 15);
is(decode_json(($receiver->got('late'))[0]{body})->{type}, 'job.expired',
   'one whose deadline passes');


# one owner does not keep all others waiting: 32 at once in each runner

my @crowd = map { $stack->request('/v1/jobs', body => encode_json({
    request => { model => 'mock-1', messages => [
        { role => 'user', content => "$_" } ] },
    webhook => { url => $receiver->url('hang/100/crowd'), secret => $SECRET },
})) } 1 .. 100;
Weir::Client::wait_all(20, @crowd) or die 'submissions';

$stack->wait_for(5, sub { $receiver->got('crowd') >= 32 }, 'a crowd');
my $other = $stack->{other_key};
$c = $stack->ask('/v1/jobs', no_key => 1,
    headers => ["Authorization: Bearer $other"], body => encode_json({
    request => { model => 'mock-1', messages => [
        { role => 'user', content => 'Hi' } ] },
    webhook => { url => $receiver->url('ok/other'), secret => $SECRET } }));
$job{other} = decode_json($c->body)->{id};
ends('other', 'delivered');

$stack->wait_for(20, sub { $receiver->got('crowd') == 200 }, 'all tries');

my @crowded = sort { $a <=> $b } map { $_->{time} } $receiver->got('crowd');
cmp_ok((grep { $_ < $crowded[0] + 0.9 } @crowded), '<=', 64,
       'a hanging crowd is let in little by little');
cmp_ok(($receiver->got('other'))[0]{time}, '<', $crowded[99],
       'and the other owner with it');

$stack->wait_for(5, sub { $stack->redis('ZCARD', 'weir:{0}:hooks') == 0 },
                 'all is delivered');


# a loser's entry, one of no form, and the entry of a finish that was sent
# again: all of them go, and nothing is sent

my $id = $job{plain} =~ s/^job_//r;
my $token = $stack->redis('HGET', "weir:{0}:run:$id", 'fin') =~ s/.*://r;

$stack->redis('ZADD', 'weir:{0}:hooks', 1, "999:$id", 1, 'nonsense', 1,
              "$token:$id");
$stack->wait_for(5, sub { $stack->redis('ZCARD', 'weir:{0}:hooks') == 0 },
                 'the outbox is empty');
is($receiver->got('plain'), 1, 'no message without a cause');


# all runners are killed while they deliver: again, the same

submit('kill', 'hang/1');
$stack->wait_for(5, sub { $receiver->got('kill') == 1 }, 'on its way');
$stack->signal('worker', 'KILL');
$stack->start('worker');

$id = $job{kill} =~ s/^job_//r;
$token = $stack->redis('HGET', "weir:{0}:run:$id", 'fin') =~ s/.*://r;

my $left = $stack->redis('PTTL', "weir:{0}:hooklock:$id");
cmp_ok($left, '>', 1000, 'the lock of the dead is held');
cmp_ok($left, '<=', 45000, 'for a time');

# which passes here

$stack->redis('DEL', "weir:{0}:hooklock:$id");
$stack->redis('ZADD', 'weir:{0}:hooks', 'XX', 1, "$token:$id");
ends('kill', 'delivered');

my @kill = $receiver->got('kill');
is(@kill, 2, 'it is sent again');
is(scalar uniq(map { $_->{headers}{'webhook-id'} } @kill), 1, 'the same id');
is(scalar uniq(map { $_->{body} } @kill), 1, 'the same body');


# at a drain, what is on its way ends, and the rest is left to others

sub tool {
    my $tool = "$stack->{build}/weir";
    my $redis = "unix:@{[ $stack->dir ]}/redis.sock";

    return `$tool webhooks @_ --redis $redis`;
}


# no redelivery beside a try: what comes of that would undo it

submit('flight', 'hang/2');
$stack->wait_for(5, sub { $receiver->got('flight') == 1 }, 'on its way');
like(tool("redeliver $job{flight} 2>&1"), qr/sent just now/,
     'no redelivery beside a try');
isnt($?, 0, 'the status says so');
ends('flight', 'delivered');
is(tool("redeliver $job{flight}"), '', 'afterwards there is');
$stack->wait_for(5, sub { $receiver->got('flight') == 4 }, 'a fourth');
ends('flight', 'delivered');

submit('drain', 'hang/1');
$stack->wait_for(5, sub { $receiver->got('drain') == 1 }, 'on its way');

my $begun = time;
is($stack->stop('worker'), 0, 'drained');
cmp_ok(time - $begun, '<', 15, 'before drain_timeout');
is($stack->redis('ZCARD', 'weir:{0}:hooks'), 1, 'the next try waits');

# where the tool sees it

my ($waiting) = @{ decode_json(tool('list', '--json')) };
is($waiting->{job}, $job{drain}, 'the tool lists it');
is($waiting->{owner}, 'alice', 'its owner');
is($waiting->{tries}, 1, 'its tries');
is($waiting->{url}, $receiver->url('hang/1/drain'), 'its URL');
is($waiting->{last_status}, undef, 'no status came');
like($waiting->{last_error}, qr/timed out/, 'but this');
like(tool('list'), qr/^$job{drain}  \d{4}-.* 1 +-  http.*timed out/m,
     'and as a table');
unlike(tool('list') . tool('list', '--json'), qr/whsec_|Echo/,
       'without secret and body');

$stack->start('worker');
ends('drain', 'delivered');
is($receiver->got('drain'), 2, 'for the next worker');


# the second signal does not wait for it: it is handed back

submit('leave', 'hang/1');
$stack->wait_for(5, sub { $receiver->got('leave') == 1 }, 'on its way');

$begun = time;
$stack->signal('worker', 'TERM');
$stack->wait_log('worker', qr/(?:event=runner_draining.*){4}/s, 5);
is($stack->stop('worker'), 0, 'left');
cmp_ok(time - $begun, '<', 2, 'at once');

$id = $job{leave} =~ s/^job_//r;
is($stack->redis('EXISTS', "weir:{0}:hooklock:$id"), 0, 'without a lock');
is($stack->redis('ZCARD', 'weir:{0}:hooks'), 1, 'the entry waits');

$stack->start('worker');
ends('leave', 'delivered');
is($receiver->got('leave'), 2, 'for the next worker');


# counted, and logged without a secret

submit('count', 'status/500/1');
ends('count', 'delivered');
$stack->wait_for(5, sub { $stack->metric('webhooks_delivered_total') >= 2 },
                 'counted');
is($stack->metric('webhook_failures_total{cause="status"}'), 1, 'failures');
is($stack->metric('webhooks_put_off_total'), 1, 'those put off');
$stack->wait_for(5, sub { $stack->metric('webhooks_pending') == 0 }, 'none waits');
unlike($stack->log('worker'), qr/whsec_|MfKQ9r8G|Echo/, 'no secret, no body');


# TLS: a certificate of an authority that is known, and one that is not

my $dir = $stack->dir;

system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
       . "-nodes -days 2 -subj /CN=receiver -addext "
       . "subjectAltName=IP:127.0.0.1 -keyout $dir/tls.key "
       . "-out $dir/tls.crt 2> $dir/openssl.log") == 0
    or die Weir::Stack::slurp("$dir/openssl.log");

my $tls = open(my $out, '-|', 'timeout', '100', 'node', 't/sdk/receiver.mjs',
               "$dir/tls.key", "$dir/tls.crt") // die "node: $!";
my $port = <$out> // die 'no port';
chomp $port;


sub over_tls {
    my ($name) = @_;

    my $c = $stack->ask('/v1/jobs', body => encode_json({
        request => { model => 'mock-1', messages => [
            { role => 'user', content => 'Hi' } ] },
        webhook => { url => "https://127.0.0.1:$port/$name",
                     secret => $SECRET } }));

    $job{$name} = decode_json($c->body)->{id};
}


over_tls('stranger');
ends('stranger', 'failed');
like($stack->log('worker'), qr/job=$job{stranger} .*certificate/,
     'a certificate that nobody knows is not taken');

$stack->stop('worker');
$stack->{worker_more} =~ s/^}/    ca_file = "$dir\/tls.crt"\n}/m;
$stack->start('worker');

over_tls('friend');
ends('friend', 'delivered');
is(scalar <$out>, "/friend\n", 'one of a known authority is');
kill 'TERM', $tls;


# a worker that allows nothing, whatever the edge let in

my @refused = (['literal', $receiver->url('ok/literal'), 'not public'],
               ['tls', 'https://127.0.0.1:8443/ok/tls', 'not public']);

if ($inside) {
    push @refused, ['name', "https://$name:$inside_port/ok/name",
                    'not public'];
}

my $before = $receiver->connections;

$stack->stop('worker');
$stack->{worker_more} = <<"END";
webhook {
    $SCHEDULE
    ports = "$inside_port"
}
END
$stack->start('worker');

for (@refused) {
    my ($what, $url, $why) = @$_;

    $c = $stack->ask('/v1/jobs', body => encode_json({
        request => { model => 'mock-1', messages => [
            { role => 'user', content => 'Hi' } ] },
        webhook => { url => $url, secret => $SECRET } }));
    $job{$what} = decode_json($c->body)->{id} or diag($c->body);

    ends($what, 'failed');
    like($stack->log('worker'),
         qr/webhook_put_off job=$job{$what} .*reason="[^"]*$why/,
         "$what: refused by the worker");
}

is($receiver->connections, $before, 'no connection was made');
is($inside->connections || 0, 0, 'nor to what a name led to') if $inside;

is($stack->metric('webhook_failures_total{cause="refused"}'), 4 * @refused,
   'refusals are counted');

$stack->end;
done_testing();

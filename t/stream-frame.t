# Streams on the wire: each token at once through gzip, TLS, HTTP/2, and on a
# connection that is new or used; heartbeats; what a stream holds while it is
# open, and in the log; memory does not grow with what was sent.

use strict;
use warnings;

use lib 't/lib';
use Compress::Raw::Zlib;
use Socket qw(IPPROTO_TCP);
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Client;
use Weir::Mock;
use Weir::Stack;
use Weir::Streams qw(stream text body);

my ($h2, $tls) = map { Weir::Stack::free_port() } 1 .. 2;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
    http => 'log_format w "$weir_status $status $request_time $request_id";
             weir_limit_zone $arg_k zone=one:1m count=requests-at-once max=1;
             keepalive_requests 100000;',
    server => "listen 127.0.0.1:$h2 http2; listen 127.0.0.1:$tls ssl http2;
        ssl_certificate cert.pem; ssl_certificate_key key.pem;
        http2_max_concurrent_streams 200;
        access_log w.log w;
        location = /metrics { weir_metrics; }
        location /gzip/ { weir_api; gzip on; gzip_types text/event-stream;
                          weir_heartbeat 300ms; }
        location /brief/ { weir_api; weir_max_wait 2s; }
        location /late/ { weir_api; tcp_nodelay off; }
        location /beat/ { weir_api; weir_heartbeat 10ms; }
        location /one/ { weir_api; weir_limit zone=one; }");

system('sh', '-c', 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 '
       . '-subj /CN=x -keyout "$0/key.pem" -out "$0/cert.pem" 2> /dev/null',
       $stack->dir) == 0 or die 'openssl';

$stack->start;


sub is_clean { $_[0] =~ /data: \[DONE\]\n\n\z/ }

sub metric { $stack->edge_metric(@_) }

sub all_gone {
    $stack->wait_for(5, sub { metric('weir_streams_open') == 0 },
                     'no stream is open');
}

sub rss { Weir::Stack::rss($stack->children('nginx')) }


# curl(ARGUMENTS): [its process, a handle of what it prints]

sub curl {
    my (@args) = @_;

    my $pid = open my $f, '-|', 'curl', '-sN', '--max-time', 30, '-H',
        $stack->auth, '-H', 'Content-Type: application/json', @args
        or die "curl: $!";

    return ($pid, $f);
}


# times at which what a handle gives has come

sub times_of {
    my ($f) = @_;

    my ($text, @times) = ('');

    while (sysread $f, my $bytes, 65536) {
        $text .= $bytes;
        push @times, time if $bytes =~ /tok/;
    }

    close $f;
    return ($text, @times);
}


# gzip: each token can be read when it is there

my $c = stream($stack, 'tokens=5 every=400 pause=1000', at => '/gzip',
               headers => ['Accept-Encoding: gzip']);
my ($z) = Compress::Raw::Zlib::Inflate->new(-WindowBits => WANT_GZIP,
                                             -AppendOutput => 1);
my ($plain, $at, %seen) = ('', 0);

$c->wait(10, sub {
    my $new = substr $c->body, $at;
    $at = length $c->body;
    $z->inflate($new, $plain) if length $new;
    my $n = () = $plain =~ /"tok "/g;
    $seen{$n} //= time - $c->{start};
    return $c->whole;
});
is($c->header('Content-Encoding'), 'gzip', 'gzip: it is');
is(openai_text(events($plain)), 'tok ' x 5, 'gzip: all of it');
ok(is_clean($plain), 'gzip: a clean end');
is(join(' ', sort keys %seen), '0 1 2 3 4 5', 'S1: gzip: token by token');
cmp_ok(scalar(() = $plain =~ /: ping/g), '>=', 2, 'gzip: with heartbeats');


# S1: HTTP/2, without and with TLS, and HTTP/1.1 with it

for (['HTTP/2', '--http2-prior-knowledge', "http://127.0.0.1:$h2"],
     ['HTTP/2, TLS', '--http2', '-k', "https://127.0.0.1:$tls"],
     ['HTTP/1.1, TLS', '--http1.1', '-k', "https://127.0.0.1:$tls"])
{
    my ($name, @how) = @$_;
    my $url = pop @how;

    my ($pid, $f) = curl(@how, '-d', body('tokens=6 every=200'),
                         "$url/v1/chat/completions");
    my ($text, @times) = times_of($f);
    is(openai_text(events($text)), 'tok ' x 6, "$name: all of it");
    ok(is_clean($text), "$name: a clean end");
    cmp_ok(scalar @times, '>=', 5, "$name: token by token");
}


# many on one connection of HTTP/2, whose client stops for a while

my $many = $stack->dir . '/many.json';
Weir::Stack::write_file($many, body('tag=eight tokens=40 every=50'));

sub eight {
    my $pid = open my $f, '-|', 'nghttp', '-m', 8, '-d', $many, '-H',
        $stack->auth, '-H', 'Content-Type: application/json',
        "http://127.0.0.1:$h2/v1/chat/completions" or die "nghttp: $!";

    $stack->wait_for(5, sub { metric('weir_streams_open') == 8 }, 'eight');

    return ($pid, $f);
}

my ($pid, $f) = eight();
kill 'STOP', $pid;
eval { $stack->wait_for(10, sub {
    $stack->mock('/mock/calls?tag=eight')->body =~ /"completed":8/;
}, 'all runs have ended') };
is($@, '', 'HTTP/2: eight runs have ended, the window is full');
kill 'CONT', $pid;
my ($all) = times_of($f);
is(scalar(() = $all =~ /tok/g), 8 * 40, 'HTTP/2: eight on a connection');
is(scalar(() = $all =~ /\[DONE\]/g), 8, 'HTTP/2: eight clean ends');

($pid, $f) = eight();
kill 'KILL', $pid;
close $f;
all_gone();


# HTTP/1.0

my $raw = sub {
    my ($version, $plan, @headers) = @_;

    my $body = body($plan);

    return join("\r\n", "POST /v1/chat/completions HTTP/$version",
                'Host: x', $stack->auth, 'Content-Type: application/json',
                'Content-Length: ' . length $body, @headers, '', $body);
};

$c = Weir::Client->new(port => $stack->port, raw => $raw->('1.0', 'tokens=5'));
ok($c->wait(10), '1.0: the end');
is($c->header('Transfer-Encoding'), undef, '1.0: no chunks');
is(text($c), 'tok ' x 5, '1.0: all of it');
ok(is_clean($c->body), '1.0: a clean end');


# several on a connection, one after the other; the third is there already when
# the second begins

$c = Weir::Client->new(port => $stack->port, raw => $raw->('1.1', 'tokens=5'));

for my $n (1 .. 3) {
    ok($c->wait(10), "kept alive: $n");
    is(text($c), 'tok ' x 5, "kept alive: $n: all of it");
    ok(is_clean($c->body), "kept alive: $n: a clean end");

    @$c{qw(whole status body head headers)} = (0, undef, '', undef, {});

    if ($n == 1) {
        syswrite $c->{socket}, $raw->('1.1', 'tokens=5 every=100') x 2;
    }

    $c->parse;
}

$c->close;


# small pieces are not kept until the client says that it has the one before,
# which this one does late (TCP_QUICKACK)

sub pieces {
    my $c = stream($stack, 'tokens=100 every=10', @_);

    setsockopt $c->{socket}, IPPROTO_TCP, 12, pack 'i', 0;
    $c->wait(10, sub {
        setsockopt $_[0]{socket}, IPPROTO_TCP, 12, pack 'i', 0;
        return $_[0]->whole;
    });

    return scalar $c->parts;
}

my ($small, $late) = (pieces(), pieces(at => '/late'));
note "$small pieces, with \"tcp_nodelay off\" $late";
cmp_ok($small, '>=', 50, 'S1, AP-13: small: they come one by one');


# silence upstream

$c = stream($stack, 'tokens=4 pause=2500', at => '/gzip');
ok($c->wait(10), 'silent: the end');
is(text($c), 'tok ' x 4, 'silent: all of it');
cmp_ok(scalar(() = $c->body =~ /: ping/g), '>=', 6, 'S2, AP-13: silent: heartbeats');


# the longest wait is for the first of it

$c = stream($stack, 'tokens=8 every=500', at => '/brief');
ok($c->wait(10), 'brief: longer than weir_max_wait');
is(text($c), 'tok ' x 8, 'brief: all of it');
$c = stream($stack, 'tag=brief tokens=8 delay=5000', at => '/brief');
ok($c->wait(10), 'brief: silent for longer');
like($c->body, qr/"code":"timeout"/, 'brief: an error');
unlike($c->body, qr/DONE/, 'brief: no clean end');
unlike($c->body, qr/fetched/, 'brief: no job is told of');
my $run = $c->header('X-Weir-Job') =~ s/^job_//r;
is($stack->wait_for(5, sub { $stack->redis('HGET', "weir:{0}:run:$run", 'fin') },
                    'brief: it ends'), 'cancelled:left',
   'brief: and so does its run');


# held as long as it is open, and no longer

$c = stream($stack, 'tokens=10 every=100', at => '/one', query => '?k=1');
ok($c->wait(5, qr/tok/), 'limit: one is open');
is($stack->ask('/one/v1/models?k=1')->status, 429, 'limit: no other');
ok($c->wait(5), 'limit: it ends');
is($stack->ask('/one/v1/models?k=1')->status, 200, 'limit: another');
$c = stream($stack, 'tokens=100 every=100', at => '/one',
            query => '?k=1');
ok($c->wait(5, qr/tok/), 'limit: one is open');
$c->close;
$stack->wait_for(5, sub {
    $stack->ask('/one/v1/models?k=1')->status == 200;
}, 'limit: it left');


# the log

sub logged {
    my ($plan, $id, $leave) = @_;

    my $c = stream($stack, $plan, headers => ["X-Request-Id: $id"]);
    $leave ? $c->wait(5, qr/tok/) : $c->wait(10);
    $c->close;

    return $stack->wait_for(5, sub {
        my @lines = split /\n/, Weir::Stack::slurp($stack->dir . '/w.log');
        return ($lines[-1] // '-') =~ /^(?!-)/ && $lines[-1];
    }, "$id is in the log");
}

Weir::Stack::write_file($stack->dir . '/w.log', '');
like(logged('tokens=6 every=200', 'whole'), qr/^COMPLETED 200 1\.[1-9]/,
     'log: a whole one');
Weir::Stack::write_file($stack->dir . '/w.log', '');
like(logged('tokens=20 every=20 cut=body', 'cut'), qr/^INTERRUPTED 200 /,
     'log: one that was cut');


# memory: heartbeats

$stack->redis('SET', 'weir:{0}:paused', 1);
$stack->wait_log('worker', qr/runner=$_ event=claims_paused/, 5) for 0, 1;
my @beats = map { stream($stack, 'tokens=1', at => '/beat') } 1 .. 40;
$stack->wait_for(5, sub { metric('weir_streams_open') == 40 }, 'forty');

sub drain {
    my ($seconds) = @_;

    my $end = time + $seconds;
    my $bytes = 0;

    Weir::Client::wait_all(0.2, @beats) while time < $end;

    for (@beats) {
        $bytes += length $_->body;
        $_->{body} = '';
        $_->{parts} = [];
    }

    return $bytes / length ": ping\n\n";
}

drain(2);
my $before = rss();
my $pings = drain(8);
note "$pings heartbeats, $before KB, then ", rss();
cmp_ok($pings, '>=', 5000, 'memory: heartbeats');

SKIP: {
    skip 'memory that was freed is kept back', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok(rss() - $before, '<', 500, 'memory: which cost none');
}

$_->close for @beats;
all_gone();
$stack->redis('DEL', 'weir:{0}:paused');


# and tokens

$c = stream($stack, 'size=40000 every=10 batch=50');
ok($c->wait(10), 'memory: some tokens');
$before = rss();
$c = stream($stack, 'size=200000 every=10 batch=100');
ok($c->wait(30), 'memory: 50,000 tokens');
is(length text($c), 200000, 'memory: all of them');
note "$before KB, then ", rss();

SKIP: {
    skip 'memory that was freed is kept back', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok(rss() - $before, '<', 1000, 'memory: which cost none');
}

all_gone();
$stack->end;

done_testing();

# Requests that wait in the gate for an answer of Redis, and what may happen to
# them meanwhile: the client leaves, its body or the next request arrives, nginx
# reloads, a process is killed, also one that holds the lock of the zone.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Client;
use Weir::Keys;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new(weir_redis => 'timeout=8s',
                             location => 'weir_auth on; return 200 "in";');
my $d = $stack->dir;
my $up = Weir::Stack::free_port();
my $h2 = Weir::Stack::free_port();

mkdir "$d/html";
Weir::Stack::write_file("$d/html/page.html", join '', map {
    qq($_<!--#include virtual="/inner?$_" -->)
} 1 .. 3);

$stack->{key_conf} = "weir_key_store pepper=$d/pepper zone=keys:128k;";
$stack->{http} = <<END;
    log_format short '\$uri \$status \$weir_owner';
    access_log $d/short.log short;

    server {
        listen 127.0.0.1:$up;
        access_log off;
        location / {
            proxy_pass http://127.0.0.1:$up/own;
            proxy_set_header X-Length \$content_length;
        }
        location /own {
            client_body_buffer_size 1m;
            echo_read_request_body;
            echo_request_body;
        }
    }
END
$stack->{server} = <<END;
    listen 127.0.0.1:$h2 http2;
    root $d/html;
    location /post { weir_auth on; proxy_pass http://127.0.0.1:$up/own; }
    location /inner { weir_auth on; return 200 "<\$args>"; }
    location /page.html { ssi on; }
    location = /asked { auth_request /ask; echo -n asked; }
    location = /asked.html { ssi on; auth_request /ask;
                             try_files /page.html =404; }
    location = /ask { weir_auth on; return 204; }
    location /mirrored { weir_auth off; mirror /copy;
                         proxy_pass http://127.0.0.1:$up/own; }
    location = /copy { internal; weir_auth on;
                       proxy_pass http://127.0.0.1:$up/own; }
    location /metrics { weir_metrics; }
END

$stack->start('redis');

my $tool = Weir::Tool->new(redis => "$d/redis.sock");
$tool->json(qw(keys create), '--pepper', "$d/pepper", qw(--owner alice));
my $keys = Weir::Keys->new(pepper => "$d/pepper");

$stack->start('nginx');


# a key that no edge has seen yet

sub fresh {
    my ($key, $line) = $keys->make('alice');
    my ($id) = $key =~ /^weir_live_([^_]+)_/;

    $stack->redis('SET', "weir:{keys}:key:$id", $line =~ s/\n//r);

    return $key;
}

sub metric {
    my ($name) = @_;

    my ($n) = $stack->ask('/metrics', no_key => 1)->body
              =~ /^weir_\Q$name\E (\d+)$/m or die "no $name";
    return $n;
}

sub asks { metric('key_lookups_total{cache="miss"}') }

# parked(N, CODE): Redis stands still until N requests more wait for it

sub parked {
    my ($n, $code) = @_;

    my $before = asks();

    $stack->signal('redis', 'STOP');
    my @r = $code->();
    $stack->wait_for(5, sub { asks() >= $before + $n }, "$n parked");

    return @r;
}

sub go { $stack->signal('redis', 'CONT') }

sub start {
    my ($path, $key, @more) = @_;

    return $stack->request($path, no_key => 1, headers => ["X-API-Key: $key"],
                           @more);
}

sub lines { Weir::Stack::slurp("$d/short.log") }


# it waits, and goes on

for my $path ('/', '/post') {
    my $key = fresh();
    my ($c) = parked(1, sub { start($path, $key) });

    ok(!$c->wait(0.1), "$path: it waits");
    go();
    ok($c->wait(5), "$path: and goes on");
    is($c->status, 200, "$path: as it should");
}

my @fresh = map { fresh() } 1 .. 50;
my @c = parked(50, sub { map { start('/', $_) } @fresh });
go();
ok(Weir::Client::wait_all(5, @c), 'fifty');
is_deeply([map { $_->status } @c], [(200) x 50], 'of them');


# the client leaves

@fresh = map { fresh() } 1 .. 20;
@c = parked(20, sub { map { start('/', $_) } @fresh });
$_->close for @c;
$stack->wait_for(5, sub { 20 == (() = lines() =~ m{^/ 499 -$}mg) },
                 'all have gone');
go();
is($stack->ask('/', no_key => 1,
               headers => ["X-API-Key: $fresh[0]"])->status, 200,
   'their answers belong to nobody');


# the body, and the next requests

my $key = fresh();
my $body = join '', map { "$_," } 1 .. 30_000;
my ($c) = parked(1, sub {
    my $c = Weir::Client->new(port => $stack->port, raw =>
        "POST /post HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\n"
        . 'Content-Length: ' . length($body) . "\r\nConnection: close\r\n\r\n"
        . substr $body, 0, 1000);
    return $c;
});
$c->{socket}->blocking(1);
print { $c->{socket} } substr $body, 1000, 9000;
$c->{socket}->flush;
ok(!$c->wait(0.1), 'part of a body arrives');
go();
print { $c->{socket} } substr $body, 10_000;
$c->{socket}->flush;
$c->{socket}->blocking(0);
ok($c->wait(5), 'and the rest');
is($c->body =~ s/\n\z//r, $body, 'all of it gets through');

@fresh = map { fresh() } 1 .. 3;
($c) = parked(1, sub {
    Weir::Client->new(port => $stack->port, raw => join '', map {
        "GET /inner?$_ HTTP/1.1\r\nHost: x\r\nX-API-Key: $fresh[$_]\r\n"
        . ($_ == 2 ? "Connection: close\r\n" : '') . "\r\n" } 0 .. 2);
});
go();
$c->wait(5, sub { $_[0]{eof} });
is(join('', ($c->body . $c->{in}) =~ /(<\d>)/g), '<0><1><2>',
   'pipelined requests, each in its turn');


# subrequests

for (['/asked', 'asked'], ['/page.html', '1<1>2<2>3<3>'],
     ['/asked.html', '1<1>2<2>3<3>'], ['/mirrored', ''])
{
    my ($path, $want) = @$_;
    my $key = fresh();
    my ($c) = parked(1, sub { start($path, $key) });

    ok(!$c->wait(0.1), "$path: a subrequest waits") if $path ne '/mirrored';
    go();
    ok($c->wait(5), "$path: and goes on");
    is($c->status, 200, "$path: status");
    is($c->body =~ s/\s//gr, $want, "$path: body");

    my $gone = fresh();
    ($c) = parked(1, sub { start($path, $gone) });
    $c->close;
    go();
    is($stack->ask('/', no_key => 1, headers => ["X-API-Key: $gone"])->status,
       200, "$path: the client leaves");
}

my ($bad) = $keys->make('nobody');
($c) = parked(1, sub { start('/asked', $bad) });
go();
ok($c->wait(5), 'an unknown key in a subrequest');
is($c->status, 401, 'refused');
like($c->header('WWW-Authenticate'), qr/invalid_token/, 'with the challenge');


# HTTP/2

sub curl {
    my (@args) = @_;

    open my $f, '-|', 'sh', '-c',
         'exec curl -s --http2-prior-knowledge 2>&1 "$@"', 'sh', @args
        or die "curl: $!";
    return $f;
}

$key = fresh();
my ($f) = parked(8, sub {
    curl('-Z', '--no-progress-meter', '--parallel-immediate', '-H',
         "x-api-key: $key",
         map { ('-o', "$d/h2-$_", "http://127.0.0.1:$h2/inner?$_") } 1 .. 8);
});
go();
close $f;
is(join('', map { Weir::Stack::slurp("$d/h2-$_") } 1 .. 8),
   join('', map { "<$_>" } 1 .. 8), 'streams');

$key = fresh();
($f) = parked(1, sub { curl('-m', '0.3', '-H', "x-api-key: $key",
                            "http://127.0.0.1:$h2/") });
close $f;
$stack->wait_for(5, sub { 22 <= (() = lines() =~ m{ 499 }mg) },
                 'a client of HTTP/2 leaves');
go();


# a reload

@fresh = map { fresh() } 1 .. 10;
@c = parked(10, sub { map { start('/', $_) } @fresh });
my %old = map { $_ => 1 } $stack->children('nginx');
$stack->signal('nginx', 'HUP');
$stack->wait_for(10, sub { grep { !$old{$_} } $stack->children('nginx') },
                 'new processes');
go();
ok(Weir::Client::wait_all(8, @c), 'a reload');
is_deeply([map { $_->status } @c], [(200) x 10], 'all are answered');
$stack->wait_for(10, sub { !grep { $old{$_} } $stack->children('nginx') },
                 'the old ones leave');


# An answer from before a revocation, that is read after it: the process that
# asked stands still meanwhile, and the other one hears the news.

sub process_of {
    my ($c) = @_;

    my $pair = sprintf ' \w+:%04X \w+:%04X ', $stack->port,
                       $c->{socket}->sockport;
    my ($inode) = map { (split)[9] } grep { /$pair/ }
                  split /\n/, Weir::Stack::slurp('/proc/net/tcp');

    defined $inode or die 'no such connection';

    for my $pid ($stack->children('nginx')) {
        return $pid if grep { (readlink($_) // '') eq "socket:[$inode]" }
                            glob "/proc/$pid/fd/*";
    }

    die 'nobody has it';
}

for (1 .. 3) {
    my $new = $tool->json(qw(keys create), '--pepper', "$d/pepper",
                          qw(--owner alice));
    my ($c) = parked(1, sub { start('/', $new->{key}) });
    my $pid = process_of($c);

    kill 'STOP', $pid;
    go();
    $tool->run(qw(keys revoke), $new->{id});

    my $before = metric('key_polls_total');
    $stack->wait_for(5, sub { metric('key_polls_total') > $before + 1 },
                     'the news');
    kill 'CONT', $pid;

    ok($c->wait(5), 'an answer from before a revocation');
    is($c->status, 401, 'is not believed');
    is(start('/', $new->{key})->wait(5)
       && $stack->ask('/', no_key => 1,
                      headers => ["X-API-Key: $new->{key}"])->status, 401,
       'nor kept');
}


# too late

my $late = Weir::Stack->new(edge_of => $stack, weir_redis => 'timeout=300ms',
                            key_conf => $stack->{key_conf},
                            location => 'weir_auth on; return 200 "in";');
$late->start('nginx');
$late->wait_for(5, sub {
    $late->ask('/', no_key => 1,
               headers => ['X-API-Key: ' . fresh()])->status == 200;
}, 'connected');

$key = fresh();
$stack->signal('redis', 'STOP');
$c = $late->ask('/', no_key => 1, headers => ["X-API-Key: $key"]);
is($c->status, 503, 'no answer in time');
cmp_ok($c->elapsed, '<', 1, 'no longer than the timeout');
go();
$late->wait_for(5, sub {
    $late->ask('/', no_key => 1,
               headers => ["X-API-Key: $key"])->status == 200;
}, 'Redis is back');
$late->end;


# A process that is killed inside of the zone leaves the lock to the others, and
# the zone empty.  Its place there is written by hand, as it happens too seldom.

sub poke {
    my ($pid, $length, $at, $bytes) = @_;

    open my $maps, '<', "/proc/$pid/maps" or return 0;
    open my $mem, '+<:raw', "/proc/$pid/mem" or return 0;

    for my $line (<$maps>) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw-s/ or next;
        no warnings 'portable';
        $_ = hex $_ for $from, $to;
        next if $to - $from != $length;

        sysseek $mem, $from, 0 or return 0;
        sysread $mem, my $zone, $length or return 0;

        # the cursor of the news; "busy" is 40 bytes before, the lock in front

        $zone =~ /\d{13}-\d+\0/ or next;
        my $busy = $from + $-[0] - 40;

        for ([$from, pack 'Q', $pid], [$busy, pack 'Q', 1]) {
            sysseek $mem, $_->[0], 0 or return 0;
            syswrite $mem, $_->[1] or return 0;
        }

        return 1;
    }

    return 0;
}

my ($victim) = $stack->children('nginx');

SKIP: {
    $stack->wait_for(5, sub { metric('key_polls_total') > 5 }, 'polls');
    is(metric('key_cache_resets_total'), 0, 'nothing was torn so far');

    poke($victim, 128 * 1024) or skip 'the memory cannot be written', 2;

    $stack->expect(qr/worker process $victim exited on signal/);
    $stack->expect(qr/zone "keys" was locked by $victim/);
    kill 'KILL', $victim;

    $stack->wait_for(10, sub {
        my $c = $stack->request('/', no_key => 1,
                                headers => ["X-API-Key: $fresh[0]"]);
        $c->wait(1) && $c->status == 200;
    }, 'the others go on');

    is(metric('key_cache_resets_total'), 1, 'the zone was emptied');
    is($stack->ask('/', no_key => 1,
                   headers => ["X-API-Key: $fresh[1]"])->status, 200,
       'and is filled again');
}

$stack->end;

done_testing();

# The key store: keys in Redis, cached in shared memory.  What is served from
# where, how fast a change is seen, and what is left when Redis is gone.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Keys;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new(location => 'weir_auth on; return 200 "in";');
my $d = $stack->dir;

$stack->{key_conf} = "weir_key_store pepper=$d/pepper zone=keys:128k ttl=3s;";
$stack->{server} = <<'END';
    location /admin { weir_auth on scope=admin; return 200 "admin"; }
    location /who { weir_auth on; return 200 "$weir_owner $weir_tier"; }
    location /api/ { weir_api; }
    location /metrics { weir_metrics; }
END
$stack->{weir_redis} = 'timeout=500ms connect_timeout=500ms';

$stack->start('redis');

my $tool = Weir::Tool->new(redis => "$d/redis.sock");
my @pepper = ('--pepper', "$d/pepper");

sub create {
    my (@more) = @_;

    push @more, qw(--owner alice) if !grep { $_ eq '--owner' } @more;

    return @{ $tool->json(qw(keys create), @pepper, @more) }{qw(id key)};
}

my ($id, $key) = create();

$stack->start('nginx');


sub ask {
    my ($key, $path) = @_;

    return $stack->ask($path // '/', no_key => 1,
                       headers => defined $key ? ["X-API-Key: $key"] : []);
}

sub status { ask(@_)->status }

sub metric {
    my ($name) = @_;

    my ($n) = ask(undef, '/metrics')->body =~ /^weir_\Q$name\E (\d+)$/m
        or die "no $name";
    return $n;
}

sub lookups { metric(qq(key_lookups_total{cache="$_[0]"})) }

# seconds until it holds

sub within {
    my ($what, $code) = @_;

    my $start = time;
    $stack->wait_for(10, $code, $what);
    my $took = time - $start;

    ok($took < 1, $what) or diag("after $took s");
}

# what Redis is asked for during the code, about keys

sub monitored {
    my ($code) = @_;

    my $s = IO::Socket::UNIX->new(Peer => "$d/redis.sock") or die "$!";
    print $s "MONITOR\r\n";
    $s->flush;
    <$s>;
    $code->();
    $stack->redis('ECHO', 'the end');

    my @lines;

    while (my $line = <$s>) {
        last if $line =~ /the end/;
        push @lines, $line if $line =~ /:key:/;
    }

    return join '', @lines;
}


# known and unknown; the first news empty the cache

$stack->wait_for(5, sub { metric('key_polls_total') }, 'the first news');

is(status($key), 200, 'a key of Redis');
is(ask($key, '/who')->body, 'alice default', 'whose it is');
is(status($key, '/admin'), 403, 'what it may not');
is(ask($key, '/api/v1/jobs/job_x')->status, 404, 'it holds for the API');
is(lookups('miss'), 1, 'its record was missed once');

is(monitored(sub { status($key) for 1 .. 50 }), '',
   'a key that is known costs no command');

my ($bad) = map { substr($_, 0, -1) . (/A$/ ? 'B' : 'A') } $key;
is(monitored(sub { is(status($_), 401, 'malformed') for $bad, 'x', "${key}x",
                   substr $key, 0, 40 }), '',
   'AK-03: a bad checksum costs no command');

my $file = Weir::Tool->new;
sub in_file {
    return @{ $file->json(qw(keys create --file), "$d/file", @pepper,
                          '--owner', 'bob', @_) }{qw(id key)};
}

my ($bob_id, $bob) = in_file();
my $said = monitored(sub { is(status($bob), 401, 'unknown') for 1 .. 20 });
is(() = $said =~ /"GET" "weir:\{keys}:key:$bob_id"/g, 1,
   'an unknown id is asked for once');
ok(lookups('negative') >= 19, 'and then it is known to be nobody');

$tool->run(qw(keys import --file), "$d/file");
within('AK-11: and once it is there, it works', sub { status($bob) == 200 });

my $keys = Weir::Keys->new(pepper => "$d/pepper");
my $wrong = $keys->with_id($bob_id);

is(monitored(sub { is(status($wrong), 401, 'a wrong secret') for 1 .. 20 }),
   '', 'a wrong secret of a known id costs no command');


# changes

$tool->run(qw(keys update), $id, qw(--tier gold --scopes admin));
within('a change of the scopes is seen', sub {
    status($key, '/admin') == 200;
});
is(ask($key, '/who')->body, 'alice gold', 'and of the tier');

my ($limited, $limited_key) = create('--models', join(',', map { "m$_" }
                                                     1 .. 300),
                                     '--limits', 'a=10/m,b=20/h');
is(status($limited_key), 200, 'a long record');
is(status($limited_key), 200, 'from the cache');

my $rotated = $tool->json(qw(keys rotate --overlap 3s), @pepper, $id);
my $end = $rotated->{until} // time + 3;
within('AK-13: the new secret works', sub { status($rotated->{key}) == 200 });
is(status($key), 200, 'AK-13: the old one still does');

my @seen;
$stack->wait_for(10, sub {
    my $start = time;
    push @seen, [$start, status($key), time];
    sleep 0.02;
    return $seen[-1][1] != 200;
}, 'end of the overlap');

ok(!grep({ $_->[1] == 200 && int $_->[0] >= $end } @seen),
   'AK-13: the old one ends with the overlap');
ok(!grep({ $_->[1] != 200 && int $_->[2] < $end } @seen), 'and not before');
is(status($rotated->{key}), 200, 'the new one stays');

$tool->run(qw(keys revoke), $id);
within('revoked', sub { status($rotated->{key}) == 401 });

my $revoked = decode_json(ask($rotated->{key})->body);
my $unknown = decode_json(ask((in_file())[1])->body);
is($revoked->{type}, $unknown->{type}, 'AK-02: refused in the same words');
is($revoked->{title}, $unknown->{title}, 'AK-02: and title');

my $t = int(time) + 2;
my ($short_id, $short) = create('--expires', $t);

@seen = ();
$stack->wait_for(10, sub {
    my $start = time;
    push @seen, [$start, status($short), time];
    sleep 0.01;
    return $seen[-1][1] != 200;
}, 'expiry');

ok(@seen > 2, 'AK-12: accepted before');
ok(!grep({ $_->[1] == 200 && int $_->[0] >= $t } @seen), 'AK-12: not at T');
ok(!grep({ $_->[1] != 200 && int $_->[2] < $t } @seen), 'AK-12: nor before');


# what is no record

$stack->redis('SET', "weir:{keys}:key:$short_id", 'v1:hmac-sha256:nonsense');
$stack->redis('INCR', 'weir:{keys}:changes');

within('a record that is none', sub { status($short) == 503 });
like($stack->log('nginx'),
     qr/record of the API key "$short_id" in redis cannot/,
     'it is said');
$stack->redis('SET', "weir:{keys}:key:$short_id",
              $stack->redis('GET', "weir:{keys}:key:$id"));
is(status($short), 503, "another key's record");
$stack->redis('DEL', "weir:{keys}:key:$short_id");
is(status($short), 401, 'none at all');


# more keys than there is room for, and more news than one poll reads

my @many = map { [$keys->make("o$_")] } 1 .. 1200;
Weir::Stack::write_file("$d/many", join '', map { $_->[1] } @many);
my ($rc, undef, $err) = $tool->run(qw(keys import --file), "$d/many");
is($rc, 0, 'imported') or diag $err;

# asked(KEY...): how many are accepted, over one connection

sub asked {
    my $n = 0;

    for my $part (map { [splice @_, 0, 100] } 1 .. @_ / 100) {
        my $c = $stack->ask('/', raw => join '', map {
            "GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: $_\r\n"
            . ($_ eq $part->[-1] ? "Connection: close\r\n" : '') . "\r\n"
        } @$part);

        $c->wait(10, sub { $_[0]{eof} });
        $n += () = ($c->body . $c->{in}) =~ m{HTTP/1.1 200 }g;
        $n++ if $c->status == 200;
    }

    return $n;
}

is(asked(map { $_->[0] } @many), 1200, 'all of many keys are accepted');
cmp_ok(metric('key_cache_evictions_total'), '>', 100, 'some were evicted');
is(asked(map { $_->[0] } @many), 1200, 'and are accepted again');
is(status($bob), 200, 'as is one from before');
is(metric('key_cache_resets_total'), 0, 'nothing was torn');


# without Redis

my ($late_id, $late) = create();
my (undef, $never) = in_file();
is(status($bob), 200, 'in the cache');

$stack->signal('redis', 'STOP');
my $stopped = time;

my $n = 0;
while (time < $stopped + 2) {
    is(status($bob), 200, 'AK-23: a cached key while Redis hangs') if !$n++;
    my $s = status($bob);
    fail("AK-23: $s"), last if $s != 200;
}

my $c = ask($late);
is($c->status, 503, 'AK-23: a key that is not in the cache');
ok($c->header('Retry-After') >= 1, 'later, it says');
is($c->header('WWW-Authenticate'), undef, 'and nothing about the key');
is(decode_json($c->body)->{type}, 'urn:weir:problem:unavailable', 'a problem');
is(status($never), 503, 'AK-23: nor is an unknown one refused');
is(status($bad), 401, 'a malformed one is');

$stack->wait_for(10, sub { status($bob) == 503 }, 'end of the ttl');
cmp_ok(time - $stopped, '>', 2.2, 'not before the ttl');
cmp_ok(time - $stopped, '<', 5, 'but then');
ok(metric('key_stale_total') > 0, 'counted');
ok(metric('auth_failures_total{reason="unavailable"}') > 0, 'both');

$stack->signal('redis', 'CONT');
$stack->wait_for(10, sub { status($bob) == 200 }, 'Redis is back');
$stack->wait_for(10, sub { status($late) == 200 }, 'and all that it holds');

$stack->end;

done_testing();

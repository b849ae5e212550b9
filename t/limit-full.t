# Full zones (RL-19): who is forgotten, and what a key takes.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Burst;
use Weir::Stack;

my $keys = $ENV{WEIR_LIMIT_KEYS} // 100000;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<'END2');
    keepalive_requests 100000000;
    weir_limit_zone $weir_key_id$arg_k zone=mixed:1m quota=5/month;
    weir_limit_zone $weir_key_id$arg_k zone=owned:1m quota=5/month;
    weir_limit_zone $arg_k zone=short:1m rate=100r/s;
END
    error_log full.log error;
    location /mixed { weir_limit zone=mixed; return 204; }
    location /tenant { weir_auth on; weir_limit zone=mixed; return 204; }
    location /owned { weir_auth on; weir_limit zone=owned; return 204; }
    location /anon { weir_limit zone=owned; return 204; }
    location /short { weir_limit zone=short; return 204; }
    location = /metrics { weir_metrics; }
END2

$stack->start('nginx');

my $key = $stack->key;
my @key = (headers => ["X-API-Key: $key"]);

sub left {
    my ($path, @o) = @_;
    my $c = $stack->ask($path, no_key => 1, @o);
    my ($r) = ($c->header('RateLimit') // '') =~ /;r=(\d+)/;
    return $c->status == 204 ? $r : $c->status;
}

sub metric {
    my ($name, $zone) = @_;
    my ($n) = $stack->ask('/metrics')->body
              =~ /^\Q$name\E\{zone="$zone"[^}]*\} (\d+)$/m or die $name;
    return $n;
}

# a tenant and a stranger

is(join(',', map { left('/tenant', @key) } 1 .. 3), '4,3,2', 'a tenant');
is(left('/mixed?k=a'), 4, 'a stranger');
is(metric('weir_limit_zone_keys', 'mixed'), 2, 'two keys');

my %n = flood($stack->port, $keys, sub { "/mixed?k=x$_[0]" });
is($n{204}, $keys, "RL-19: $keys keys of strangers, no other answer");

my $held = metric('weir_limit_zone_keys', 'mixed');
cmp_ok($held, '>', 16384, 'the zone is full: ' . $held);
cmp_ok(1024 * 1024 / $held, '<=', 64, 'of at most 64 bytes a key');
is(metric('weir_limit_zone_evictions_total', 'mixed'), $keys + 2 - $held,
   'each beyond that evicted one');

is(left('/tenant', @key), 1, 'the tenant keeps what it has left');
is(left('/mixed?k=a'), 4, 'the stranger is forgotten');
is(left('/mixed?k=x' . ($keys - 1)), 3, 'the last one is not');

# tenants' keys leave an eighth to others

is(left('/anon?k=a'), 4, 'a stranger');
%n = flood($stack->port, 40000, sub { "/owned?k=x$_[0]" }, @key);
is($n{204}, 40000, 'many keys of tenants');
is(left('/anon?k=a'), 3, 'do not drive it out');
cmp_ok(metric('weir_limit_zone_keys', 'owned'), '<=', $held * 7 / 8 + 1,
       'and take seven eighths');

%n = flood($stack->port, 40000, sub { "/anon?k=x$_[0]" });
is(left('/owned?k=x39999', @key), 3, 'nor do strangers drive out them');

# what says nothing any more is no loss

%n = flood($stack->port, 60000, sub { "/short?k=x$_[0]" });
is($n{204}, 60000, 'keys that are full again after 10 ms');

$stack->wait_for(10, sub {
    flood($stack->port, 10, sub { "/short?k=y$_[0]" });
    my $before = metric('weir_limit_zone_evictions_total', 'short');
    flood($stack->port, 10, sub { "/short?k=z$_[0]" });
    $before == metric('weir_limit_zone_evictions_total', 'short');
}, 'evictions of what has expired that are not counted');
pass('are no evictions');

$stack->end;
done_testing;

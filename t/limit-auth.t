# Credentials that are no good use up nobody's limit (RL-17), and have one of
# their own (RL-18).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Weir::Burst;
use Weir::Stack;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<'END2');
    keepalive_requests 100000;
    weir_limit_zone $remote_addr zone=address:1m quota=10/month;
    weir_limit_zone $weir_key_id zone=key:1m quota=10/month;
    weir_limit_zone $remote_addr zone=guess:1m count=auth-failures
                    rate=30/m burst=19;
    weir_limit_zone $remote_addr zone=dry:1m count=auth-failures rate=1/h;
    log_format limit '$uri $status $weir_limit_status $weir_limit_zone';
    access_log limit.log limit;
END
    location /plain { weir_auth on; weir_limit zone=address;
                      weir_limit zone=key; return 204; }
    location /admin { weir_auth on scope=admin; weir_limit zone=address;
                      weir_limit zone=key; return 204; }
    location /guess { weir_auth on; weir_limit zone=guess;
                      weir_limit zone=key; return 204;
                      error_log guess.log error; }
    location /other { weir_auth on; weir_limit zone=guess; return 204; }
    location /open { weir_limit zone=guess; return 204; }
    location /dry { weir_auth on; weir_limit zone=dry dry_run; return 204; }
    location = /metrics { weir_metrics; }
END2

$stack->keys;
my $revoked = $stack->create_key('erin', 'read');
my ($id) = $revoked =~ /^weir_[a-z0-9]+_([^_]+)_/;
system("$stack->{build}/weir keys revoke --file " . $stack->dir
       . "/keys $id > " . $stack->dir . '/revoked') == 0 or die 'revoke';
$stack->start('nginx');

my $unknown = do { Weir::Stack->new->key };

sub get {
    my ($path, $key) = @_;
    return $stack->ask($path, no_key => 1,
                       headers => [defined $key ? "X-API-Key: $key" : ()]);
}

sub metric {
    my ($name, $zone) = @_;
    my ($n) = $stack->ask('/metrics')->body
              =~ /^\Q$name\E\{zone="$zone"[^}]*\} (\d+)$/m or die $name;
    return $n;
}


# RL-17

my %n;

for (1 .. 25) {
    $n{get('/plain', $unknown)->status}++;
    $n{get('/plain', $revoked)->status}++;
    $n{get('/plain', substr $stack->key, 0, 40)->status}++;
    $n{get('/admin', $stack->key)->status}++;
}

is_deeply(\%n, { 401 => 75, 403 => 25 }, 'RL-17: a hundred failures');
is(metric('weir_limit_zone_keys', 'address'), 0, 'no entry for them');
is(metric('weir_limit_zone_keys', 'key'), 0, 'in no zone');
ok(!defined get('/plain', $unknown)->header('RateLimit'),
   'and they are told nothing');

my $c = get('/plain', $stack->key);
is($c->status, 204, 'a good one passes');
is(join(',', sort $c->header('RateLimit') =~ /r=(\d+)/g), '9,9',
   'with all that it has');


# RL-18: each failure with another key, as fast as it goes

%n = flood($stack->port, 3000, sub { '/guess' },
           headers => ["X-API-Key: $unknown"]);
cmp_ok($n{401}, '>=', 20, 'RL-18: some guesses are told so');
cmp_ok($n{401}, '<=', 40, 'not many');
is($n{401} + $n{429}, 3000, 'the others wait');

$c = get('/other', $unknown);
is($c->status, 429, 'in every location of that zone');
like($c->header('Retry-After'), qr/^[12]$/, 'until when is told');
like($c->header('RateLimit'), qr/^"guess";r=0;t=[12]$/, 'and what');
is($c->header('RateLimit-Policy'),
   '"guess";q=20;w=40;qu="weir-auth-failures"', 'of what');
$c = get('/guess', $stack->key);
is($c->status, 204, 'a good key passes');
like($c->header('RateLimit'), qr/^"key";r=8;t=\d+$/, 'and hears nothing of it');

is(metric('weir_limit_zone_keys', 'key'), 1, "the tenants' states are there");
cmp_ok(get('/plain', $stack->key)->status, '==', 204, 'and used elsewhere');

$c = get('/guess', $unknown);
sleep $c->header('retry-after-ms') / 1000;
$c = get('/guess', $unknown);
is($c->status, 401, 'after the time that was told');
ok(!defined $c->header('RateLimit'), 'one guess more, of which nothing is said');

# good credentials cost nothing, nor does their lack where none are asked for

%n = map { $_ => 0 } 204, 401;
sleep 2;
$n{get('/guess', $stack->key)->status}++ for 1 .. 6;
is($n{204}, 6, 'good keys are no failures');
is(get('/open')->status, 204, 'an open location');

# a repeated header is a failure as well; a wrong scope is not

is(metric('weir_limit_decisions_total', 'dry'), 0, 'none yet');
get('/dry', $stack->key);
is(metric('weir_limit_decisions_total', 'dry'), 0, 'a good key');
is(join(',', map { get('/dry', $unknown)->status } 1 .. 3), '401,401,401',
   'a dry run refuses nobody');
is(metric('weir_limit_decisions_total', 'dry'), 1, 'but counts');
like(Weir::Stack::slurp($stack->dir . '/limit.log'),
     qr{^/dry 401 REJECTED_DRY_RUN dry$}m, 'and tells the log');

$stack->end;
done_testing;

# Limits of a node: what is counted, for whom, and when; what is not.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Burst;
use Weir::Stack;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<'END2');
    weir_limit_zone $arg_k zone=three:1m rate=1r/m burst=2;
    weir_limit_zone $arg_k zone=five:1m quota=5/month;
    weir_limit_zone $arg_k zone=one:1m rate=1r/h;
    weir_limit_zone x$arg_k-$arg_j zone=both:1m rate=1r/h;
    weir_limit_zone $weir_key_id zone=key:1m rate=1r/h burst=1;
    weir_limit_tier zone=key tier=pro rate=1r/h burst=3;
    weir_limit_tier zone=key tier=house unlimited;
    weir_limit_zone $arg_k zone=none:1m quota=0/day;
    weir_limit_zone $http_k zone=long:1m rate=1r/m burst=2;
    weir_limit_zone $arg_k zone=many:1m quota=30k/month;
    keepalive_requests 1000000;
    large_client_header_buffers 4 100k;
    proxy_cache_path cache keys_zone=cache:1m;
    weir_limit_zone $weir_owner zone=owner:1m quota=3/month;
    weir_limit_tier zone=owner tier=pro quota=4/month;
    weir_limit_tier zone=owner tier=daily quota=2/day;
    map $arg_no $apply { default 1; 1 0; 2 ""; }
    log_format limit '$uri $arg_k $status $weir_limit_status $weir_limit_zone';
    access_log limit.log limit;
END
    location /three { weir_limit zone=three; root html; try_files /none =204; }
    location /return { weir_limit zone=one; return 200 "$weir_limit_status"; }
    location /both { weir_limit zone=three; weir_limit zone=one;
                     weir_limit zone=both; return 204; }
    location /pair { weir_limit zone=five; weir_limit zone=one; return 204; }
    location /if { weir_limit zone=one if=$apply; return 204; }
    location /dry { weir_limit zone=three dry_run;
                    return 200 "$weir_limit_status $weir_limit_zone"; }
    location /dried { weir_limit zone=one dry_run; weir_limit zone=three;
                      return 204; }
    location /key { weir_auth on; weir_limit zone=key; return 204; }
    location /owner { weir_auth on; weir_limit zone=owner; return 204; }
    location /file { weir_limit zone=three; alias html/; }
    location /many { weir_limit zone=many; return 204;
                     error_log many.log error; }
    location /long { weir_limit zone=long; return 204; }
    location /cached { weir_limit zone=five; proxy_cache cache;
                       proxy_cache_key x; proxy_cache_valid 1h;
                       add_header X-Cache $upstream_cache_status;
                       proxy_pass http://127.0.0.1:$server_port/plain; }
    location /plain { return 200 plain; }
    location /proxy { weir_limit zone=three;
                      proxy_pass http://127.0.0.1:$server_port/origin; }
    location /origin { add_header RateLimit '"up";r=1' always; return 200 up; }
    location /none { weir_limit zone=none; return 204; }
    location /server { return 204; }
    weir_limit zone=five;
    location /own { weir_limit zone=three; return 204; }
END2

my $d = $stack->dir;
mkdir "$d/html";
Weir::Stack::write_file("$d/html/x", "file\n");
mkdir "$d/html/dir";

$stack->keys;
my %key = map { $_->[0] => $stack->create_key('tess', 'read', @$_[1 .. $#$_]) } (
    [plain => ()], [pro => '--tier', 'pro'], [house => '--tier', 'house'],
    [own => '--tier', 'pro', '--limits', 'key=1r/h+5,other=1/s'],
    [free => '--limits', 'key=unlimited'],
    [form => '--limits', 'key=7/day'],
    [daily => '--tier', 'daily']);

$stack->start('nginx');

my $n = 0;
sub k { 'k' . ++$n }
sub get { $stack->ask($_[0], no_key => 1, headers => [@_[1 .. $#_]]) }
sub statuses { join ',', map { get($_)->status } @_ }


# RL-01, RL-02

my $k = k();
is(statuses(("/three?k=$k") x 5), '204,204,204,429,429', 'burst + 1 pass');

for (1 .. 3) {
    my $k = k();
    my @c = at_once($stack->port, 500, "/three?k=$k");
    is(scalar(grep { $_->status == 204 } @c), 3, '500 at once: 3 pass');
    is(scalar(grep { $_->status == 429 } @c), 497, 'no other answer');
}

{
    my %n = flood($stack->port, 90000, sub { '/many?k=1' }, connections => 8);
    is_deeply(\%n, { 204 => 30000, 429 => 60000 },
              'of 90,000 as fast as they go exactly 30,000');
}

# RL-08, RL-09

sub members {
    my ($field) = @_;
    return { map { /^"([^"]+)"(.*)$/ or die $field; $1 => $2 }
             split /, /, $field // '' };
}

my $c = get("/three?k=$k");
is($c->status, 429, 'refused');
is($c->header('Content-Type'), 'application/problem+json', 'a problem');
my $body = decode_json($c->body);
is($body->{type}, 'https://iana.org/assignments/http-problem-types'
                  . '#quota-exceeded', 'its type');
is_deeply($body->{'violated-policies'}, ['three'], 'which limit');
is($body->{status}, 429, 'its status');
like($c->header('Retry-After'), qr/^[1-9]\d*$/, 'Retry-After');
my ($t) = members($c->header('RateLimit'))->{three} =~ /^;r=0;t=(\d+)$/;
cmp_ok($t, '<=', $c->header('Retry-After'), 't is no later');
is($c->header('RateLimit-Policy'), '"three";q=3;w=180', 'the policy');
cmp_ok($c->header('retry-after-ms'), '<=', 60000, 'retry-after-ms');
cmp_ok($c->header('retry-after-ms'), '>', 50000, 'and not less');
is($c->header('Cache-Control'), 'no-store', 'nobody stores it');

$c = get('/return?k=' . k());
is($c->body, 'PASSED', 'RL-21: return is limited, and knows it');

$k = k();
is(statuses("/return?k=$k", "/return?k=$k"), '200,429', 'RL-21: refused');
$c = get("/return?k=$k");
is($c->header('x-should-retry'), 'false', 'an hour: no retry by itself');

$c = get('/both?k=' . ($k = k()));
is_deeply(members($c->header('RateLimit')),
          { three => ';r=2;t=60', one => ';r=0;t=3600', both => ';r=0;t=3600' },
          'RL-09: all limits are told');
is_deeply([sort keys %{ members($c->header('RateLimit-Policy')) }],
          [qw(both one three)], 'and all policies');

# RL-16

$c = get("/both?k=$k&j=2");
is($c->status, 429, 'RL-16: one is used up');
is_deeply(decode_json($c->body)->{'violated-policies'}, ['one'], 'that one');
is_deeply(members($c->header('RateLimit'))->{three}, ';r=2;t=60',
          'the others keep what they had');
is(members($c->header('RateLimit'))->{both}, ';r=1', 'a new key too');
is(statuses("/three?k=$k", "/three?k=$k", "/three?k=$k"), '204,204,429',
   'nothing was counted');

# RL-15 is test_look of the unit tests.  RL-12

$k = k();
my @dry = map { get("/dry?k=$k") } 1 .. 6;
is(join(',', map { $_->body } @dry),
   join(',', ('PASSED ') x 3, ('REJECTED_DRY_RUN three') x 3), 'RL-12');
is(scalar(grep { defined $_->header('RateLimit') } @dry), 0, 'not told');
ok($stack->log('nginx') =~ /limiting requests, dry run, excess: 2\.\d+ by zone "three"/,
   'logged');

# a dry run beside a limit: its count follows what is admitted

$k = k();
is(statuses(("/dried?k=$k") x 5), '204,204,204,429,429', 'beside a dry run');

# keys: long, empty, alike

my $long = 'l' x 70000;
is(join(',', map { get('/long', "K: $long")->status } 1 .. 4),
   '204,204,204,429', 'RL-20: a key of 70,000 bytes');
is(get('/long', "K: ${long}x")->status, 204, 'is one of its own');
is(get('/long', "K: ll\xff\xfe\x01")->status, 204, 'so is one of odd bytes');
is(statuses(('/three?k=') x 5), join(',', (204) x 5), 'empty: not counted');
is(statuses(("/three") x 5), join(',', (204) x 5), 'nor is none');

for my $len (14, 15, 16, 17) {
    is(statuses(("/three?k=" . ('y' x $len)) x 4), '204,204,204,429',
       "a key of $len bytes is one of its own");
}

is(statuses(("/if?k=" . ($k = k())) x 2), '204,429', 'if=1');
is(statuses(("/if?no=1&k=$k") x 2, ("/if?no=2&k=$k") x 2), '204,204,204,204',
   'if=0, and empty');
is(statuses('/none?k=1'), '429', 'nothing is allowed');
$c = get('/none?k=1');
is($c->header('Retry-After') . $c->header('x-should-retry'), '86400false',
   'for ever');
is($c->header('RateLimit'), '"none";r=0', 'and no time is told');

# inherited as a whole

is(statuses(("/server?k=" . ($k = k())) x 6), '204,204,204,204,204,429',
   'of the server');
is(statuses(("/own?k=" . ($k = k())) x 4), '204,204,204,429',
   'of the location');

# tiers, and limits of keys

sub admitted {
    my ($name) = @_;
    my @c = map { get('/key', "X-API-Key: $key{$name}") } 1 .. 9;
    return scalar grep { $_->status == 204 } @c;
}

is(admitted('plain'), 2, 'a tier without a limit: the zone');
is(admitted('pro'), 4, 'a tier');
is(admitted('house'), 9, 'unlimited');
is(admitted('own'), 6, "a key's own limit");
is(admitted('free'), 9, "a key's own unlimited");
is(admitted('form'), 2, 'one of another form is not for this zone');
is(get('/key', "X-API-Key: $key{own}")->header('RateLimit-Policy'),
   '"key";q=6;w=21600', 'its policy');
ok(!defined get('/key', "X-API-Key: $key{free}")->header('RateLimit'),
   'unlimited is not told');

# keys of one owner: amounts differ on one count, windows have one each

is(join(',', map { get('/owner', "X-API-Key: $key{$_}")->status }
             qw(plain plain plain plain pro pro)),
   '204,204,204,429,204,429', 'one count for all keys');
is(join(',', map { get('/owner', "X-API-Key: $key{$_}")->status }
             qw(daily plain daily pro daily)),
   '204,429,204,429,429', 'another window neither clears it nor is cleared');

# files and proxied answers; RL-38

$c = get('/file/x?k=' . ($k = k()));
is($c->status . $c->body . $c->header('RateLimit'),
   "200file\n\"three\";r=2;t=60", 'a file');
my $etag = $c->header('ETag');
$c = get("/file/x?k=$k", "If-None-Match: $etag");
is($c->status, 304, 'RL-38: 304');
ok(!defined $c->header('RateLimit') && !defined $c->header('RateLimit-Policy'),
   'tells nothing');
$c = get("/file/dir?k=$k");
is($c->status, 301, 'RL-38: 301');
ok(!defined $c->header('RateLimit'), 'tells nothing');
is(get("/file/x?k=$k")->status, 429, 'both were counted');

$c = get('/proxy?k=' . k());
is($c->header('RateLimit'), '"up";r=1, "three";r=2;t=60',
   "beside the upstream's own");

# RL-38: what is cached does not tell of limits

$c = get('/cached?k=c');
is($c->header('X-Cache') . $c->header('RateLimit') =~ s/;t=\d+//r,
   'MISS"five";r=4', 'RL-38: a miss');

# it is kept a moment after the client has it

$stack->wait_for(10, sub {
    get('/cached?k=' . k())->header('X-Cache') eq 'HIT';
}, 'the cached answer');

$c = get('/cached?k=c');
is($c->header('X-Cache') . $c->header('RateLimit') =~ s/;t=\d+//r,
   'HIT"five";r=3', 'a hit tells what is left now');
my @cached = split ' ', `find $d/cache -type f`;
ok(@cached == 1 && Weir::Stack::slurp($cached[0]) !~ /RateLimit/i,
   'the cache holds nothing of it');

# the log

my $log = Weir::Stack::slurp("$d/limit.log");
like($log, qr{^/three k1 204 PASSED -$}m, 'PASSED');
like($log, qr{^/three k1 429 REJECTED three$}m, 'REJECTED');
like($log, qr{^/dry \S+ 200 REJECTED_DRY_RUN three$}m, 'REJECTED_DRY_RUN');
like($log, qr{^/none 1 429 REJECTED none$}m, 'by which zone');

$stack->end;
done_testing;

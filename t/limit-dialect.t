# Limits on the routes of the API: the fields that clients of OpenAI and of
# Anthropic know, and refusals in their dialects.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(http => <<'END', location => <<'END2');
    weir_limit_zone $weir_key_id zone=soon:1m rate=2r/s burst=2;
    weir_limit_zone $weir_key_id zone=month:1m quota=7/month;
    weir_limit_zone $weir_key_id zone=open:1m count=requests-at-once max=9;
    weir_limit_tier zone=soon tier=wide rate=20r/h burst=499;
    weir_limit_tier zone=month tier=wide unlimited;
END
    weir_api;
    weir_limit zone=soon;
    weir_limit zone=month;
    weir_limit zone=open;
END2

$stack->keys;
my %key = map { $_ => $stack->create_key($_, 'submit,read',
                                         $_ eq 'w' ? qw(--tier wide) : ()) }
          qw(o a p w q);
$stack->start('redis', 'nginx');

sub get {
    my ($path, $who) = @_;
    return $stack->ask($path, no_key => 1,
                       headers => ["Authorization: Bearer $key{$who}"]);
}

# OpenAI: of two limits of requests the one with less left

my $c = get('/v1/models', 'o');
is($c->header('x-ratelimit-limit-requests'), 3, 'OpenAI: the tightest');
is($c->header('x-ratelimit-remaining-requests'), 2, 'what is left');
like($c->header('x-ratelimit-reset-requests'), qr/^\d{3}ms$/,
     'in milliseconds');
ok(!defined $c->header('x-ratelimit-limit-tokens'), 'no tokens are counted');
is(join(',', $c->header('RateLimit') =~ /"(\w+)"/g), 'month,open,soon',
   'beside the fields of the draft');

get('/v1/models', 'o') for 1 .. 2;
$c = get('/v1/models', 'o');
is($c->status, 429, 'refused');
is($c->header('x-ratelimit-remaining-requests'), 0, 'nothing is left');
like($c->header('x-ratelimit-reset-requests'), qr/^2s$/, 'in seconds');
like($c->header('retry-after-ms'), qr/^[1-4]\d\d$/, 'less than a second');
is($c->header('Retry-After'), 1, 'which is one');
ok(!defined $c->header('x-should-retry'), 'the client may retry by itself');

my $error = decode_json($c->body)->{error};
is(join('|', map { $_ // 'null' } @$error{qw(type param code)}),
   'rate_limit_error|null|rate_limit_exceeded', 'an error of OpenAI');
like($error->{message}, qr/"soon" is used up, try again in 1 s/, 'says why');
is($c->header('Content-Type'), 'application/json', 'its type');

$c = get('/v1/models', 'w');
is($c->header('x-ratelimit-limit-requests'), 500, 'a tier');
is($c->header('x-ratelimit-reset-requests'), '3m0s', 'minutes and seconds');
get('/v1/models', 'w') for 1 .. 24;
is(get('/v1/models', 'w')->header('x-ratelimit-reset-requests'), '1h18m0s',
   'hours');

# Anthropic

$c = get('/v1/messages', 'a');
is($c->header('anthropic-ratelimit-requests-limit'), 3, 'Anthropic: limit');
is($c->header('anthropic-ratelimit-requests-remaining'), 2, 'remaining');
my $reset = $c->header('anthropic-ratelimit-requests-reset');
ok((grep { $reset eq strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $_)) }
    -2 .. 2), "a date of RFC 3339: $reset");
ok(!defined $c->header('x-ratelimit-limit-requests'), 'none of OpenAI');
get('/v1/messages', 'a') for 1 .. 2;
$c = get('/v1/messages', 'a');
is($c->status, 429, 'refused');
is(decode_json($c->body)->{error}{type}, 'rate_limit_error',
   'an error of Anthropic');

# elsewhere problems

get('/v1/jobs', 'p') for 1 .. 3;
$c = get('/v1/jobs', 'p');
is($c->status, 429, 'jobs');
is($c->header('Content-Type'), 'application/problem+json', 'a problem');
ok(!defined $c->header('x-ratelimit-limit-requests')
   && !defined $c->header('anthropic-ratelimit-requests-limit'),
   'no fields of others');

# a hard refusal

$stack->wait_for(20, sub { get('/v1/models', 'q')->body =~ /month/ },
                 'the month is used up');
$c = get('/v1/models', 'q');
is($c->header('x-should-retry'), 'false', 'a month: no retry by itself');
is($c->header('x-ratelimit-limit-requests'), 7, 'now that is the tightest');

# nobody who is not let in is told anything

$c = $stack->ask('/v1/models', no_key => 1);
is($c->status, 401, 'no key');
ok(!defined $c->header('RateLimit'), 'no limits');

$stack->end;
done_testing;

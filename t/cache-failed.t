# What has failed, where it is kept: never past its time, and never in the place
# of an answer.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers qw(ask_chat);
use Weir::Stack;

my %common = (http => 'weir_cache_zone answers 2m;',
    location => 'weir_api; weir_cache zone=answers stale_while_revalidate=1h
                     stale_if_error=1h; weir_cache_ttl 1s;
                 weir_cache_ttl 1s outcome=failed;',
    server => 'location /long { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 1h; weir_cache_ttl 1h outcome=failed; }');

my $a = Weir::Stack->new(%common, worker => 'attempts = 1');
$a->keys;
my $free = $a->create_key('alice', 'submit,cache-bypass');
$a->start;

my $b = Weir::Stack->new(%common, edge_of => $a);
$b->start('nginx');


# a failure past its time is not sent while another run is under way

my $c;
my $q = '[[mock tag=once status=400 times=1]] Hi';
is(ask_chat($a, $q)->status, 400, 'a failure');

my $key = $a->redis('KEYS', 'weir:{0}:answer:*')->[0];
ok(defined $key, 'it is kept');
$a->wait_for(5, sub { !$a->redis('EXISTS', $key) }, 'its time is over');

is(ask_chat($b, $q)->status, 200, 'past its time: asked anew');
is($a->calls('once'), 2, 'two calls');


# a stream that broke off is no answer at all, wherever failures are kept

for my $n (1, 2) {
    $c = $a->ask('/long/v1/jobs', headers => ['Prefer: wait=10'],
        body => encode_json({ request => { model => 'mock-1', messages => [
            { role => 'user', content => '[[mock tag=half stop=text]] Hi' }]
        } }));
    is(decode_json($c->body)->{error}{code}, 'upstream_truncated',
       'broken off');
    is($a->calls('half'), $n, 'asked');
}


# who asks anew while the LLM is away does not take from others what they have

$q = '[[mock tag=kept]] Hi';
my $first = ask_chat($a, $q, at => '/long');
is($first->status, 200, 'an answer');

$a->signal('mock', 'KILL');

$c = ask_chat($a, $q, at => '/long', key => $free,
              headers => ['Cache-Control: no-cache']);
is($c->status, 502, 'asked anew: failed');

$c = ask_chat($b, $q, at => '/long');
is($c->status, 200, 'the others still have it');
like($c->header('Cache-Status'), qr/^weir; hit; ttl=\d+$/, 'from Redis');
is($c->body, $first->body, 'the same bytes');

$b->end;
$a->end;
done_testing();

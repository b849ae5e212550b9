# What was asked at one node is answered at another, from Redis: RC-01, RC-02,
# RC-05, RC-06, RC-15, RC-18, C1, C3 and C4 over two nginx.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers qw(ask_chat what);
use Weir::Stack;

my %common = (http => 'weir_cache_zone answers 2m;',
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location /shared { weir_api;
                   weir_cache zone=answers scope=shared tag=$http_x_tag; }
               location /failed { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 1h outcome=failed;
                   weir_cache_ttl 1h outcome=refusal; }
               location /dear { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 2h class=dear; weir_cache_ttl 1h; }
               location = /metrics { weir_metrics; }');
$common{http} .= 'weir_class dear model=dear-*;';

my $a = Weir::Stack->new(%common, worker => 'attempts = 1');
$a->keys;

my $free = $a->create_key('alice', 'submit,cache-bypass');

$a->start;

my $b = Weir::Stack->new(%common, edge_of => $a);
$b->start('nginx');


sub level {
    my ($edge, $level) = @_;
    return $edge->edge_metric(qq(weir_cache_hits_total{level="$level"}));
}


my $HIT = qr/^weir; hit; ttl=\d+$/;
my @only = (headers => ['Cache-Control: only-if-cached']);
my $true = JSON::PP::true;


# RC-01: from Redis the first time, from memory then; the same bytes

my $q = '[[mock tag=one size=3000]] Hi';
my $first = ask_chat($a, $q);
is($first->status, 200, 'asked');

for my $level ('redis', 'memory') {
    my $before = level($b, $level);
    my $c = ask_chat($b, $q);

    like(what($c), $HIT, "RC-01: a hit at the other node, from $level");
    is($c->body, $first->body, 'RC-01: in the same bytes');
    like($c->header('Age'), qr/^[0-9]$/, 'its age');
    is($c->header('X-Weir-Job'), undef, 'no job');
    is(level($b, $level), $before + 1, "from $level");
}

is($a->calls('one'), 1, 'C1: one call');


# RC-06: in each form, from the same answer

my %form = (plain => {}, events => { stream => $true },
            usage => { stream => $true,
                       stream_options => { include_usage => $true } });
my ($id) = $first->body =~ /"id":"([^"]+)"/;

for my $form (sort keys %form) {
    my $at_a = ask_chat($a, $q, more => $form{$form});
    my $at_b = ask_chat($b, $q, more => $form{$form});

    like(what($_), $HIT, "RC-06: $form: a hit") for $at_a, $at_b;
    is($at_a->body, $at_b->body, "RC-06: $form: the same bytes at both");
    like($at_a->body, qr/"id":"\Q$id\E"/, "RC-06: $form: the same id");
    is($at_b->header('Content-Type'), $form eq 'plain'
       ? 'application/json' : 'text/event-stream', "RC-06: $form: its type");
}

is($a->calls('one'), 1, 'RC-06: one call');

$q = '[[mock tag=events]] Hi';
ask_chat($a, $q, more => { stream => $true });
like(what(ask_chat($b, $q)), $HIT, 'RC-06: what came as events is there plain');


# RC-02, RC-05: nobody else's, and nothing else

unlike(what(ask_chat($b, $q, key => $a->{other_key})), qr/hit/,
       'RC-02: not for another owner');
unlike(what(ask_chat($b, $q, more => { model => 'mock-2' })), qr/hit/,
       'RC-05: another model');
unlike(what(ask_chat($b, $q, more => { tools => [{ type => 'function',
              function => { name => 'f', parameters => {} } }] })), qr/hit/,
       'RC-05: other tools');


# C4: what the request says

$q = '[[mock tag=c4]] Hi';
my $c = ask_chat($a, $q);
is(what(ask_chat($b, $q, key => $free, headers => ['Cache-Control: no-store'])),
   'weir; fwd=bypass', 'C4: no-store');
is(what(ask_chat($b, $q, key => $free, headers => ['Cache-Control: no-cache'])),
   'weir; fwd=request; stored', 'C4: no-cache');
like(what(ask_chat($b, $q, key => $free,
                   headers => ['Cache-Control: max-age=60'])),
     $HIT, 'C4: max-age');
is($a->calls('c4'), 3, 'C4: three calls');

$c = ask_chat($b, '[[mock tag=nobody]] Hi', @only);
is($c->status, 504, 'C4: only-if-cached');
is($a->calls('nobody'), 0, 'C4: nobody was asked');


# C3: what is cut off on its way is no answer

for my $plan ('cut=body', 'cut=headers', 'garbage=json') {
    my ($tag) = $plan =~ /=(.*)/;

    for my $try (1, 2) {
        $c = ask_chat($try == 1 ? $a : $b, "[[mock tag=c3$tag $plan]] Hi");
        is($c->status, 502, "C3: $plan");
        is(what($c), 'weir; fwd=uri-miss', 'C3: not stored');
        is($a->calls("c3$tag"), $try, 'C3: asked each time');
    }
}


# RC-15: failures, where the operator says so

for my $try (1, 2) {
    my $edge = $try == 1 ? $a : $b;

    $c = ask_chat($edge, '[[mock tag=bad status=400]] Hi', at => '/failed');
    is($c->status, 400, 'a failure');
    is(decode_json($c->body)->{error}{type}, 'invalid_request_error',
       'an error of OpenAI');
    like(what($c), $try == 1 ? qr/^weir; fwd=uri-miss; stored$/ : $HIT,
         'RC-15: stored where it is said');

    ask_chat($edge, '[[mock tag=refusal finish=content_filter]] Hi',
             at => '/failed');
}

is($a->calls('bad'), 1, 'RC-15: asked once');
is($a->calls('refusal'), 1, 'RC-15: so with a refusal');


# times by class

for (['dear-1', 7200], ['mock-1', 3600]) {
    my ($model, $ttl) = @$_;

    my @dear = ('How long?', at => '/dear', more => { model => $model });

    ask_chat($a, @dear);
    my ($left) = what(ask_chat($b, @dear)) =~ /hit; ttl=(\d+)/;
    cmp_ok($left, '<=', $ttl, "$model: its time");
    cmp_ok($left, '>', $ttl - 60, "$model: nearly all of it");
}


# RC-18: a purge is for who had it run, whoever asks; and at once, where nothing
# of it was in memory

for (['owner', 'alice'], ['tag', 'spring']) {
    my ($name, $value) = @$_;

    $q = "[[mock tag=by-$name]] Hi";
    $c = ask_chat($a, $q, at => '/shared', headers => ['X-Tag: spring']);
    is($c->status, 200, 'asked by alice, with a tag');

    my $d = ask_chat($b, $q, at => '/shared', key => $a->{other_key}, @only);
    like(what($d), $HIT, 'bob has it, without one');
    is($d->body, $c->body, 'the same bytes');

    $q .= '!';
    ask_chat($a, $q, at => '/shared', headers => ['X-Tag: spring']);

    is($a->ask('/v1/cache/purge', no_key => 1,
               headers => ["Authorization: Bearer $a->{admin_key}"],
               body => encode_json({ $name => $value }))->status, 200,
       "purged by $name");

    is(ask_chat($b, $q, at => '/shared', key => $a->{other_key}, @only)->status,
       504, "RC-18: by $name: void for bob too");
    unlike(what(ask_chat($b, $q, at => '/shared', key => $a->{other_key})),
           qr/hit/, 'RC-18: he asks anew');
    like(what(ask_chat($a, $q, at => '/shared', @only)), $HIT,
         'RC-18: which is for all');
}

$b->end;
$a->end;
done_testing();

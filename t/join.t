# Many ask the same at the same time: the LLM is asked once, and all have the
# answer as soon as the first of them.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers;
use Weir::Stack;

my $DELAY = $ENV{WEIR_JOIN_DELAY} // 2000;      # ms, of the LLM
my $MANY = $ENV{WEIR_JOIN_MANY} // 200;

my %o = (processes => 4, http => 'weir_max_waiting 1000;');

my $a = cached_stack(%o, worker => 'attempts = 1');
$a->start;

my $b = another_edge($a, %o);
$b->start('nginx');


# one after the other

my @c = map { ask_all(10, chat($a, '[[mock tag=seq]] Hi')) } 1 .. 2;
is(status_of(@c), 200, 'one after the other');
is($a->calls('seq'), 1, 'one call');
is($c[1]->body, $c[0]->body, 'the same bytes');
like($c[0]->header('Cache-Status'), qr/^weir; fwd=uri-miss; stored$/,
     'a miss');
like($c[1]->header('Cache-Status'), qr/^weir; hit; ttl=\d+$/, 'a hit');
is($c[0]->header('X-Weir-Job'), undef, 'no job');


# many at once, over two nginx with four processes each

for my $round (1 .. 2) {
    my $tag = "many-$round";
    my @all = map { chat($_ % 2 ? $b : $a, "[[mock tag=$tag delay=$DELAY]] Hi") }
              1 .. $MANY;

    ask_all($DELAY / 1000 + 20, @all);

    is(status_of(@all), 200, "$tag: all are answered");
    is($a->calls($tag), 1, "$tag: one call");
    is(scalar(led(@all)), 1, "$tag: one leads");
    is(scalar(collapsed(@all)), $MANY - 1, "$tag: the others join");
    is(scalar(grep { $_->body ne $all[0]->body } @all), 0,
       "$tag: the same bytes");

    my $late = last_after(led(@all), @all);
    cmp_ok($late, '<=', 50, "$tag: within 50 ms of the leader");
    note sprintf '%s: %.1f ms', $tag, $late;
}


# a large answer does not ride in the message

my @all = map { chat($_ % 2 ? $b : $a, '[[mock tag=large delay=800 size=60000]] x') }
          1 .. 40;
ask_all(20, @all);
is(status_of(@all), 200, 'large: all are answered');
is($a->calls('large'), 1, 'large: one call');
is(scalar(grep { $_->body ne $all[0]->body } @all), 0, 'large: the same bytes');
note sprintf 'large: %.1f ms', last_after(led(@all), @all);


# streams and answers in one piece share the run

@all = map { chat($_ % 2 ? $b : $a, '[[mock tag=mixed delay=800]] Hi',
                  more => { stream => $_ % 4 > 1 ? JSON::PP::true
                                                 : JSON::PP::false }) }
       1 .. 20;
ask_all(10, @all);
is(status_of(@all), 200, 'mixed: all are answered');
is($a->calls('mixed'), 1, 'mixed: one call');
is(scalar(grep { $_->header('Content-Type') =~ m{^text/event-stream} } @all),
   10, 'mixed: the streams are streams');
is(scalar(grep { $_->body =~ /\[DONE\]/ } @all), 10, 'mixed: to their end');


# another owner, another question

my @other = map { chat($a, '[[mock tag=owners delay=500]] Hi', no_key => 1,
                       headers => ["Authorization: Bearer $_"]) }
            $a->key, $a->{other_key}, $a->key, $a->{other_key};
ask_all(10, @other);
is($a->calls('owners'), 2, 'each owner asks for himself');

@all = map { chat($a, '[[mock tag=differ delay=500]] Hi',
                  more => { max_tokens => $_ }) } 10, 11, 10, 11;
ask_all(10, @all);
is($a->calls('differ'), 2, 'another question');


# not cacheable: asked each time

@all = map { chat($a, '[[mock tag=random delay=300]] Hi',
                  more => { temperature => 1 }) } 1 .. 3;
ask_all(10, @all);
is($a->calls('random'), 3, 'what is not cacheable is not joined');
is(scalar(grep { $_->header('X-Weir-Job') } @all), 3, 'and has a job');


# the leader leaves

my $leader = chat($a, '[[mock tag=leaves delay=1500]] Hi');
$a->wait_for(5, sub { $a->calls('leaves') }, 'the leader is asked for');
@all = map { chat($_ % 2 ? $b : $a, '[[mock tag=leaves delay=1500]] Hi') } 1 .. 10;
parked(11, $a, $b);
$leader->close;
ask_all(10, @all);
is(status_of(@all), 200, 'the leader leaves: the others are answered');
is($a->calls('leaves'), 1, 'the leader leaves: one call');
is(scalar(collapsed(@all)), 10, 'the leader leaves: nobody takes over');


# the leader's nginx is killed, and that of half of the others

$leader = chat($b, '[[mock tag=killed delay=1500]] Hi');
$a->wait_for(5, sub { $a->calls('killed') }, 'the leader is asked for');
@all = map { chat($a, '[[mock tag=killed delay=1500]] Hi') } 1 .. 10;
my @gone = map { chat($b, '[[mock tag=killed delay=1500]] Hi') } 1 .. 5;
parked(16, $a, $b);
$b->signal('nginx', 'KILL');
ask_all(10, @all);
is(status_of(@all), 200, 'the leader is killed: the others are answered');
is($a->calls('killed'), 1, 'the leader is killed: one call');
$b->start('nginx');

$b->end;
$a->end;

done_testing();

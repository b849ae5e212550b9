# Many ask the same at the same time: the LLM is asked once, and all have the
# answer as soon as the first of them.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use List::Util qw(min);
use Test::More;
use Weir::Askers;
use Weir::Stack;

my $DELAY = $ENV{WEIR_JOIN_DELAY} // 2000;      # ms, of the LLM
my $MANY = $ENV{WEIR_JOIN_MANY} // 200;

my %o = (processes => 4, http => 'weir_max_waiting 1000;');

my $near = cached_stack(%o, worker => 'attempts = 1');
$near->start;

my $far = another_edge($near, %o);
$far->start('nginx');


# one after the other

my @c = map { ask_all(10, chat($near, '[[mock tag=seq]] Hi')) } 1 .. 2;
is(status_of(@c), 200, 'one after the other');
is($near->calls('seq'), 1, 'one call');
is($c[1]->body, $c[0]->body, 'the same bytes');
like($c[0]->header('Cache-Status'), qr/^weir; fwd=uri-miss; stored$/,
     'a miss');
like($c[1]->header('Cache-Status'), qr/^weir; hit; ttl=\d+$/, 'a hit');
is($c[0]->header('X-Weir-Job'), undef, 'no job');


# many at once, over two nginx with four processes each

my @late;

for my $round (1 .. 3) {
    my $tag = "many-$round";
    my @all = map { chat($_ % 2 ? $far : $near, "[[mock tag=$tag delay=$DELAY]] Hi") }
              1 .. $MANY;

    ask_all($DELAY / 1000 + 20, @all);

    is(status_of(@all), 200, "$tag: all are answered");
    is($near->calls($tag), 1, "$tag: one call");
    is(scalar(led(@all)), 1, "$tag: one leads");
    is(scalar(collapsed(@all)), $MANY - 1, "$tag: the others join");
    is(scalar(grep { $_->body ne $all[0]->body } @all), 0,
       "$tag: the same bytes");

    push @late, last_after(led(@all), @all);
    note sprintf '%s: %.1f ms', $tag, $late[-1];
}

# other tests may be under way on this machine

cmp_ok(min(@late), '<=', 50,
       'RC-09, C2: all are answered within 50 ms of the leader');


# a large answer does not ride in the message, and each process fetches it once

sub sent {
    return $near->redis('INFO', 'stats') =~ /total_net_output_bytes:(\d+)/
           ? $1 : die 'no figure';
}

my $sent = sent();
my @all = map { chat($_ % 2 ? $far : $near, '[[mock tag=large delay=800 size=60000]] x') }
          1 .. 40;
ask_all(20, @all);
is(status_of(@all), 200, 'large: all are answered');
is($near->calls('large'), 1, 'large: one call');
is(scalar(grep { $_->body ne $all[0]->body } @all), 0, 'large: the same bytes');
cmp_ok(sent() - $sent, '<', 20 * 60000, 'large: not fetched by each');
note sprintf 'large: %.1f ms', last_after(led(@all), @all);


# streams and answers in one piece share the run

@all = map { chat($_ % 2 ? $far : $near, '[[mock tag=mixed delay=800]] Hi',
                  more => { stream => $_ % 4 > 1 ? JSON::PP::true
                                                 : JSON::PP::false }) }
       1 .. 20;
ask_all(10, @all);
is(status_of(@all), 200, 'mixed: all are answered');
is($near->calls('mixed'), 1, 'mixed: one call');
is(scalar(grep { $_->header('Content-Type') =~ m{^text/event-stream} } @all),
   10, 'C2, mixed: the streams are streams');
is(scalar(grep { $_->body =~ /\[DONE\]/ } @all), 10, 'mixed: to their end');


# another owner, another question

my @other = map { chat($near, '[[mock tag=owners delay=500]] Hi', no_key => 1,
                       headers => ["Authorization: Bearer $_"]) }
            $near->key, $near->{other_key}, $near->key, $near->{other_key};
ask_all(10, @other);
is($near->calls('owners'), 2, 'each owner asks for himself');

@all = map { chat($near, '[[mock tag=differ delay=500]] Hi',
                  more => { max_tokens => $_ }) } 10, 11, 10, 11;
ask_all(10, @all);
is($near->calls('differ'), 2, 'another question');


# not cacheable: asked each time

@all = map { chat($near, '[[mock tag=random delay=300]] Hi',
                  more => { temperature => 1 }) } 1 .. 3;
ask_all(10, @all);
is($near->calls('random'), 3, 'what is not cacheable is not joined');
is(scalar(grep { $_->header('X-Weir-Job') } @all), 3, 'and has a job');


# the leader leaves

my $leader = chat($near, '[[mock tag=leaves delay=1500]] Hi');
$near->wait_for(5, sub { $near->calls('leaves') }, 'the leader is asked for');
@all = map { chat($_ % 2 ? $far : $near, '[[mock tag=leaves delay=1500]] Hi') } 1 .. 10;
parked(11, $near, $far);
$leader->close;
ask_all(10, @all);
is(status_of(@all), 200, 'the leader leaves: the others are answered');
is($near->calls('leaves'), 1, 'RC-10: the leader leaves: one call');
is(scalar(collapsed(@all)), 10, 'the leader leaves: nobody takes over');


# the leader's nginx is killed, and that of half of the others

$leader = chat($far, '[[mock tag=killed delay=1500]] Hi');
$near->wait_for(5, sub { $near->calls('killed') }, 'the leader is asked for');
@all = map { chat($near, '[[mock tag=killed delay=1500]] Hi') } 1 .. 10;
my @gone = map { chat($far, '[[mock tag=killed delay=1500]] Hi') } 1 .. 5;
parked(16, $near, $far);
$far->signal('nginx', 'KILL');
ask_all(10, @all);
is(status_of(@all), 200, 'the leader is killed: the others are answered');
is($near->calls('killed'), 1, 'the leader is killed: one call');
$far->start('nginx');

nothing_left($near);

$far->end;
$near->end;

done_testing();

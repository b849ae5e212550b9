# RL-10: whatever the limits are, the fields parse as RFC 9651 says, by a parser
# that knows nothing of ours.  WEIR_SEED repeats a run.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $seed = $ENV{WEIR_SEED} // 20261121;
my ($zones, $keys) = (30, 350);

srand $seed;


# a parser of structured fields: lists of items with parameters

sub sf_list {
    my ($in) = @_;

    my @members;

    $in =~ s/^ +| +$//g;

    while (1) {
        my ($value, $rest) = sf_bare($in);
        my %params;
        $in = $rest;

        while ($in =~ s/^; *([a-z*][a-z0-9_.*-]*)//) {
            my $name = $1;
            $params{$name} = ['boolean', 1];
            ($params{$name}, $in) = sf_bare($in) if $in =~ s/^=//;
        }

        push @members, [$value, \%params];
        return \@members if $in eq '';

        $in =~ s/^[ \t]*,[ \t]*// or die "no comma: $in\n";
        length $in or die "a comma at the end\n";
    }
}


sub sf_bare {
    my ($in) = @_;

    if ($in =~ s/^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"//) {
        return (['string', $1 =~ s/\\(.)/$1/gr], $in);
    }
    return (['decimal', $1], $in) if $in =~ s/^(-?\d{1,12}\.\d{1,3})(?!\d)//;
    return (['integer', $1], $in) if $in =~ s/^(-?\d{1,15})(?!\d)//;
    return (['token', $1], $in) if $in =~ s/^([A-Za-z*][\w!#\$%&'*+.^`|~:\/-]*)//;
    return (['bytes', $1], $in) if $in =~ s/^:([A-Za-z0-9+\/=]*)://;
    return (['boolean', $1], $in) if $in =~ s/^\?([01])//;

    die "no item: $in\n";
}


# the parser itself

for ('"a";q=1;w=60, "b";q=2', '"a\\"b"', 'tok;x', '1.5', '?1', ':YQ==:') {
    ok(eval { sf_list($_) }, "parses: $_");
}

for ('', '"a', '"a",', '"a" "b"', '1234567890123456', '"a";Q=1', '"a";q=',
     "\"\x7f\"", 'a;b=1.2345') {
    ok(!eval { sf_list($_) }, "does not: $_");
}


# limits of every kind and size

sub some {
    my ($most) = @_;
    my $n = 1 + int rand 10 ** int rand 14;
    return $n > $most ? $most : $n;
}

sub amount {
    my ($most) = @_;
    return rand() < 0.3 ? int(some($most / 1e9)) || 1 : some($most);
}

sub size {
    my ($form, $key) = @_;

    return 'unlimited' if $key && rand() < 0.05;
    return amount(1e12) if $form eq 'max';

    if ($form eq 'quota') {
        return (rand() < 0.05 ? 0 : amount(1e12)) . '/'
               . (qw(minute hour day week month))[rand 5];
    }

    my $rate = amount(1e12) . (rand() < 0.5 ? 'r' : '') . '/'
               . (qw(s m h d))[rand 4];
    return $rate if rand() < 0.3;

    my $burst = amount(1e12);
    return $key ? "$rate+$burst" : "$rate burst=$burst";
}

my @chars = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, split //, '._-@');
my (%form, @names);

for my $n (1 .. $zones) {
    my $name = "z$n" . join '', map { $chars[rand @chars] } 1 .. rand 29;
    push @names, $name;
    $form{$name} = (qw(rate quota quota rate max))[rand 5];
}

my $http = join '', map {
    my $count = $form{$_} eq 'max' ? 'count=requests-at-once ' : '';
    "weir_limit_zone \$http_k zone=$_:64k $count$form{$_}="
    . size($form{$_}) . ";\n"
} @names;
my $limits = join '', map { "weir_limit zone=$_;\n" } @names;

my $stack = Weir::Stack->new(http => $http, server => <<END);
    error_log fields.log error;
    large_client_header_buffers 4 32k;
    location /all { weir_auth on; $limits return 204; }
END

$stack->keys;

my @key = map {
    my @own = grep { rand() < 0.98 } @names;
    my $own = join ',', map { "$_=" . size($form{$_}, 1) } @own;
    $stack->create_key("k$_", 'read', '--limits', $own);
} 1 .. $keys;

$stack->start('nginx');


# their answers

my ($configs, $wrong, %seen) = (0, 0);

sub check {
    my ($c, $k) = @_;

    my $policy = sf_list($c->header('RateLimit-Policy') // die "no policy\n");
    my $state = sf_list($c->header('RateLimit') // die "no state\n");

    @$policy == @$state or die "not as many\n";

    for my $i (0 .. $#$policy) {
        my ($p, $s) = ($policy->[$i], $state->[$i]);
        my ($q, $w, $qu) = @{ $p->[1] }{qw(q w qu)};
        my ($r, $t) = @{ $s->[1] }{qw(r t)};
        my $name = $p->[0][1];

        $p->[0][0] eq 'string' && $s->[0][0] eq 'string' or die "no string\n";
        $name eq $s->[0][1] && $form{$name} or die "name: $name\n";
        $q && $q->[0] eq 'integer' && $q->[1] >= 0 or die "q of $name\n";
        !$w || $w->[0] eq 'integer' && $w->[1] > 0 or die "w of $name\n";
        !$qu || $qu->[0] eq 'string' or die "qu of $name\n";
        $r && $r->[0] eq 'integer' && $r->[1] >= 0 && $r->[1] <= $q->[1]
            or die "r of $name\n";
        !$t || $t->[0] eq 'integer' && $t->[1] > 0 or die "t of $name\n";
        ($form{$name} eq 'max') == !$w or die "w of $name\n";
        ($form{$name} eq 'max') == !!$qu or die "qu of $name\n";
        join(',', sort keys %{ $p->[1] }) =~ /^q(,qu)?(,w)?$/
            && join(',', sort keys %{ $s->[1] }) =~ /^r(,t)?$/
            or die "others of $name\n";
        $configs++;
    }

    if ($c->status == 429) {
        my $after = $c->header('Retry-After') // '';
        $after =~ /^[1-9]\d*$/ or die "Retry-After: $after\n";
        ($c->header('retry-after-ms') // 1) =~ /^\d+$/ or die "its ms\n";
    }

    $seen{$c->status}++;
}

for my $n (0 .. $#key) {
    for my $round (1 .. 2) {
        my $c = $stack->ask('/all', no_key => 1,
                            headers => ["X-API-Key: $key[$n]", "K: $n"]);

        next if eval { check($c); 1 };
        diag "seed $seed: $@", $c->head if $wrong++ < 3;
    }
}

is($wrong, 0, "RL-10: all fields parse: $configs");
cmp_ok($configs, '>=', 10000, 'of ten thousand limits and more');
ok($seen{204} && $seen{429}, 'of both kinds of answers')
    or diag join ' ', %seen;

$stack->end;
done_testing;

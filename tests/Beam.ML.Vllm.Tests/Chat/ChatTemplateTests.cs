using System.Text.Json;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Tests.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Chat;

public sealed class ChatTemplateTests
{
    private static readonly ChatMessage[] Hello = [new("user", "Hi")];

    private static string Render(string source, string variables = "{}") => ChatTemplate.Parse(source).Render(
        JsonSerializer.SerializeToElement(Array.Empty<object>()), variables: JsonDocument.Parse(variables).RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value));

    // Expectations by Jinja2 3.1.6 with trim_blocks and lstrip_blocks.
    [TestCase("{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 3 }} {{ 1 / 2 }}", "7 9 3 -4 2 8 0.5")]
    [TestCase("{{ 1e20 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e-7 }} {{ 123456789.125 }}", "1e+20 1.0 0.30000000000000004 1e-07 123456789.125")]
    [TestCase("{{ [1, 'a', None, true, 2.0] }} {{ (1,) }} {{ {'a': [1]} }} {{ 'it\\'s' }}", "[1, 'a', None, True, 2.0] (1,) {'a': [1]} it's")]
    [TestCase("{{ ['it\\'s', 'a\"b'] }}", "[\"it's\", 'a\"b']")]
    [TestCase("{% for i in [1, 2, 3] if i != 2 %}{{ loop.index }}:{{ i }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}", "1:1,2:3")]
    [TestCase("{% for i in [] %}x{% else %}none{% endfor %}", "none")]
    [TestCase("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;")]
    [TestCase("{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "013")]
    [TestCase("{% for i in [1, [2, [3]]] recursive %}{% if i is number %}{{ i }}{% else %}({{ loop(i) }}){% endif %}{% endfor %}", "1(2(3))")]
    [TestCase("{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{{ loop.cycle('a', 'b') }} {% endfor %}", "Truea Falseb Truea ")]
    [TestCase("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1")]
    [TestCase("{% set ns = namespace(x=1) %}{% for i in [1] %}{% set ns.x = 2 %}{% endfor %}{{ ns.x }}", "2")]
    [TestCase("{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c %}in{{ a }}{% endset %}{{ c | upper }}", "12IN1")]
    [TestCase("{% macro m(a, b='x') %}[{{ a }}{{ b }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, k=4) }}", "[1x(){}][12(3,){'k': 4}]")]
    [TestCase("{% macro m() %}<{{ caller('y') }}>{% endmacro %}{% call(v) m() %}{{ v }}!{% endcall %}", "<y!>")]
    [TestCase("{% filter upper | trim %} a {% endfilter %}", "A")]
    [TestCase("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "3")]
    [TestCase("{% raw %}{{ x }}{% endraw %}", "{{ x }}")]
    [TestCase("{% generation %}{{ 1 }}{% endgeneration %}", "1")]
    [TestCase("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc")]
    [TestCase("a  {{- 'b' -}}  c {%- if true -%} d {%- endif %} e", "abcd e")]
    [TestCase("a {%+ if true %}b{% endif +%}\nc", "a b\nc")]
    [TestCase("a\n  {# comment #}\nb{#- x -#} c", "a\nbc")]
    [TestCase("{{ 'abc'[1:] }}{{ 'abc'[::-1] }}{{ [1, 2, 3][-1] }}{{ 'abc'[-2:][0] }}{{ (1, 2, 3)[:2] }}", "bccba3b(1, 2)")]
    [TestCase("{{ x is defined }} {{ x is undefined }} {{ x }} {{ x | default('d') }} {{ '' | default('e', true) }} {{ none is none }}", "False True  d e True")]
    [TestCase("{{ 1 if false }}|{{ 'a' if 1 > 2 else 'b' }}", "|b")]
    [TestCase("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in 'abc' }} {{ 2 not in [1] }} {{ not 1 in [1] }}", "True False True True False")]
    [TestCase("{{ 'a' ~ 1 ~ none }} {{ '%s-%d-%.2f' % ('x', 3, 1.5) }} {{ '%s' | format('y') }} {{ '{0} {1} {k}'.format(1, 2, k=3) }}{{ '{}{}'.format(4, 5) }}", "a1None x-3-1.50 y 1 2 345")]
    [TestCase("{{ ' a b '.strip() }}{{ 'xxaxx'.strip('x') }}{{ 'a-b-c'.split('-', 1) }}{{ 'a b  c'.split() }}{{ 'a-b-c'.rsplit('-', 1) }}", "a ba['a', 'b-c']['a', 'b', 'c']['a-b', 'c']")]
    [TestCase("{{ 'Hello'.startswith('He') }}{{ 'Hello'.endswith(('x', 'lo')) }}{{ 'hello world'.title() }}{{ 'aXa'.replace('a', 'b', 1) }}{{ 'abc'.find('c') }}", "TrueTrueHello WorldbXa2")]
    [TestCase("{{ [3, 1, 2] | sort }}{{ ['b', 'A'] | sort }}{{ [3, 1] | sort(reverse=true) }}{{ [1, 2, 1] | unique | list }}{{ [1, 2] | sum }}{{ [1, 5, 2] | max }}", "[1, 2, 3]['A', 'b'][3, 1][1, 2]35")]
    [TestCase("{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | list }}{{ [{'a': 1}, {'a': 2}] | selectattr('a', 'gt', 1) | list }}{{ [0, 1] | select | list }}", "[1, 2][{'a': 2}][1]")]
    [TestCase("{{ [1, 2, 3] | reject('odd') | list }}{{ ['a', 'b'] | map('upper') | join('-') }}{{ [1, 2, 3, 4] | batch(3) | list }}", "[2]A-B[[1, 2, 3], [4]]")]
    [TestCase("{% for g, items in [{'k': 'a', 'v': 1}, {'k': 'b', 'v': 2}, {'k': 'a', 'v': 3}] | groupby('k') %}{{ g }}{{ items | map(attribute='v') | list }}{% endfor %}", "a[1, 3]b[2]")]
    [TestCase("{{ 'a\nb' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}|{{ '<a>' | e }}|{{ 'x' | length }}", "a\n  b|  a\n  b|&lt;a&gt;|1")]
    [TestCase("{{ {'b': 1, 'a': [1, {'c': none}]} | tojson }}{{ {} | tojson(indent=2) }}{{ [1.0, 'é<'] | tojson }}", "{\"b\": 1, \"a\": [1, {\"c\": null}]}{}[1.0, \"é<\"]")]
    [TestCase("{{ {'b': 1, 'a': []} | tojson(indent=2, sort_keys=true) }}", "{\n  \"a\": [],\n  \"b\": 1\n}")]
    [TestCase("{{ {'a': 1} | tojson(separators=(',', ':')) }}{{ 'é' | tojson(ensure_ascii=true) }}", "{\"a\":1}\"\\u00e9\"")]
    [TestCase("{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}['a'] }}{{ {'items': 1}['items'] }}{{ {'a': 1}.keys() | list }}", "121" + "1['a']")]
    [TestCase("{{ '🙂a' | length }}{{ '🙂a'[0] }}{{ '🙂a' | reverse }}", "2🙂a🙂")]
    [TestCase("{{ 5 is divisibleby 5 }}{{ 4 is even }}{{ 'a' is string }}{{ [] is iterable }}{{ {} is mapping }}{{ 1 is not string }}{{ true is boolean }}{{ 1 is sameas 1 }}", "TrueTrueTrueTrueTrueTrueTrueTrue")]
    [TestCase("{{ '3' | int + 1 }}{{ 'x' | int }}{{ '1.5' | float }}{{ 1.55 | round(1) }}{{ 2.5 | round | int }}{{ -3 | abs }}", "401.51.623")]
    [TestCase("{{ 'a' 'b' }}{{ dict(a=1) }}{{ range(3) | list }}{{ range(5, 1, -2) | list }}{{ {'a': 1} == {'a': 1.0} }}", "ab{'a': 1}[0, 1, 2][5, 3]True")]
    [TestCase("{{ ('a' if true else 'b') | upper }}{{ not false and true or false }}{{ 1 == 1 and 2 }}{{ 0 or 'z' }}", "ATrue2z")]
    [TestCase("{{ x.y if x is defined else 'no' }}{{ {'a': {'b': 1}}.a.b }}{{ [[1, 2]][0][1] }}{{ {'a': 1}.missing | default('m') }}", "no12m")]
    [TestCase("{{ ' a b  c '.split(none, 1) }}{{ ' a b  c '.rsplit(none, 1) }}{{ ' a b  c '.split(none, 0) }}{{ 'a-b-c'.rsplit('-') }}{{ ''.split() }}{{ ''.split('-') }}", "['a', 'b  c '][' a b', 'c']['a b  c ']['a', 'b', 'c'][]['']")]
    [TestCase("{{ 'a🙂b'[1] }}{{ 'a🙂b'[-1] }}{{ 'a🙂b'[-3] }}{{ 'a🙂b'[3] is undefined }}{{ 'a🙂b'[-4] is undefined }}{{ 'a🙂b'[1:2] }}{{ 'a🙂b'[:-1] }}|{{ 'a🙂b'[5:] }}|{{ 'a🙂b'[::2] }}", "🙂baTrueTrue🙂a🙂||ab")]
    [TestCase("{{ 'aXaXa'.find('X') }}{{ 'aXaXa'.rfind('X') }}{{ '🙂X'.find('X') }}{{ 'a'.find('b') }}{{ 'aaa'.count('a') }}{{ 'aaa'.count('') }}{{ 'aXbXc'.partition('X') }}{{ 'aXbXc'.rpartition('X') }}", "131-134('a', 'X', 'bXc')('aXb', 'X', 'c')")]
    [TestCase("{{ '-'.zfill(-1) }}{{ '-1'.zfill(4) }}{{ 'a'.zfill(3) }}{{ '  x '.strip() }}{{ [] | first is undefined }}{{ '🙂a' | first }}{{ 'a🙂' | last }}{{ {'k': 1} | first }}", "--00100axTrue🙂🙂k")]
    [TestCase("{{ {(1, 2): 'x'}[(1.0, true + 1)] }}{{ [(1, 2), (1, 2), (2, 1)] | unique | list }}{{ [{'a': {'b': 2}}, {'a': {'b': 1}}] | sort(attribute='a.b') }}", "x[(1, 2), (2, 1)][{'a': {'b': 1}}, {'a': {'b': 2}}]")]
    [TestCase("{% set x | upper | replace('A', 'b') %}a{% endset %}{{ x }}{% macro m() %}{% macro n() %}{{ varargs }}{% endmacro %}{{ n(1) }}{% endmacro %}{{ m() }}{{ m.name }}{{ m.arguments }}", "b(1,)m()")]
    public void Templates_mean_what_they_mean_to_Jinja(string source, string expected) => Assert.That(Render(source), Is.EqualTo(expected));

    [TestCase("{{ raise_exception('no way') }}", "no way")]
    [TestCase("{{ x.y }}", "'x' is undefined")]
    [TestCase("{{ x + 1 }}", "'x' is undefined")]
    [TestCase("{{ {'a': 1}.b.c }}", "'dict object' has no attribute 'b'")]
    [TestCase("{{ 1 / 0 }}", "division by zero")]
    [TestCase("{{ 'a' + 1 }}", "unsupported operand")]
    [TestCase("{{ 1 | nothing }}", "No filter named 'nothing'")]
    [TestCase("{{ 1 is nothing }}", "No test named 'nothing'")]
    [TestCase("{{ [].append(1) }}", "unsafe")]
    [TestCase("{{ {}.update({}) }}", "unsafe")]
    [TestCase("{% set x.y = 1 %}", "non-namespace")]
    [TestCase("{{ {[1]: 2} }}", "unhashable")]
    [TestCase("{{ {(1, [1]): 2} }}", "unhashable")]
    [TestCase("{{ [1, 'a'] | sort }}", "'<' not supported")]
    [TestCase("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "not more than 1")]
    [TestCase("{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "no keyword argument 'b'")]
    [TestCase("{{ '%s %s' % (1,) }}", "not enough arguments")]
    [TestCase("{{ '' .__class__ .__mro__ }}", "is unsafe")]
    public void A_template_that_goes_wrong_says_why(string source, string message) =>
        Assert.That(() => Render(source), Throws.TypeOf<ChatTemplateException>().With.Message.Contains(message));

    [TestCase("{{ 'a")]
    [TestCase("{{ a")]
    [TestCase("{% if a %}")]
    [TestCase("{% endif %}")]
    [TestCase("{% for x %}{% endfor %}")]
    [TestCase("{{ a b }}")]
    [TestCase("{{ (1 }}")]
    [TestCase("{{ 1 ] }}")]
    [TestCase("{# never ends")]
    [TestCase("{% raw %} never ends")]
    [TestCase("{% include 'x' %}")]
    [TestCase("{% break %}")]
    [TestCase("{{ 99999999999999999999999 }}")]
    [TestCase("{{ ? }}")]
    public void A_malformed_template_is_refused_with_its_line(string source) =>
        Assert.That(() => ChatTemplate.Parse("\n" + source), Throws.TypeOf<ChatTemplateException>().With.Message.Contains("line "));

    [TestCase("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [TestCase("{{ range(1000000000) }}")]
    [TestCase("{{ 'a' * 10000000000 }}")]
    [TestCase("{{ [1] * 10000000000 }}")]
    [TestCase("{{ 9 ** 9999 }}")]
    [TestCase("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [TestCase("{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}")]
    [TestCase("{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}{{ ns.x }}")]
    [TestCase("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [TestCase("{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}")]
    public void A_hostile_template_ends_in_an_error(string source) => Assert.That(() => Render(source), Throws.TypeOf<ChatTemplateException>());

    [Test]
    public void Deep_nesting_ends_in_an_error()
    {
        foreach (var source in (string[])[
            "{{ " + new string('(', 100_000) + " }}", "{{ " + new string('[', 100_000) + " }}", "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
            "{{ " + string.Concat(Enumerable.Repeat("- ", 100_000)) + "1 }}", string.Concat(Enumerable.Repeat("{% if 1 %}", 100_000)),
            "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 100_000)) + " }}", "{{ 1" + string.Concat(Enumerable.Repeat(" | abs", 100_000)) + " }}"])
            Assert.That(() => Render(source), Throws.TypeOf<ChatTemplateException>());
    }

    [Test]
    public void A_macro_with_a_chain_of_operators_of_any_length_ends_in_an_error() =>
        Assert.That(() => Render("{% macro m() %}{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 100_000)) + " }}{% endmacro %}{{ m(1) }}"), Throws.TypeOf<ChatTemplateException>());

    [Test]
    public void Tiny_gemma_writes_turns()
    {
        var text = ChatTemplate.Load(Golden.TinyGemma)!.Render([new("user", " Hi "), new("assistant", "Hello"), new("user", "Bye")]);
        Assert.That(text, Is.EqualTo("<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"));
    }

    [Test]
    public void A_folder_gives_its_jinja_file_before_its_configuration_and_a_given_path_before_both()
    {
        var folder = Directory.CreateTempSubdirectory("template").FullName;
        try
        {
            Assert.That(ChatTemplate.Load(folder), Is.Null);
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"bos_token": {"content": "<B>"}, "chat_template": "{{ bos_token }}config"}""");
            Assert.That(ChatTemplate.Load(folder)!.Render(Hello), Is.EqualTo("<B>config"));
            File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "{{ bos_token }}file");
            Assert.That(ChatTemplate.Load(folder)!.Render(Hello), Is.EqualTo("<B>file"));
            File.WriteAllText(Path.Combine(folder, "other"), "{{ messages[0].content }}");
            Assert.That(ChatTemplate.Load(folder, Path.Combine(folder, "other"))!.Render(Hello), Is.EqualTo("Hi"));
            Assert.That(() => ChatTemplate.Load(folder, Path.Combine(folder, "missing")), Throws.TypeOf<ChatTemplateException>().With.Message.Contains("missing"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Of_a_list_of_templates_the_one_for_tools_is_used_with_tools()
    {
        var folder = Directory.CreateTempSubdirectory("template").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"),
                """{"chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]}""");
            var template = ChatTemplate.Load(folder)!;
            var messages = JsonSerializer.SerializeToElement(Hello.Select(m => new { role = m.Role, content = m.Content }));
            Assert.That(template.Render(messages), Is.EqualTo("plain"));
            Assert.That(template.Render(messages, tools: JsonSerializer.SerializeToElement(new[] { new { name = "f" } })), Is.EqualTo("tools"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

namespace Beam.ML.Inference.Tests.Handlers;

public sealed class InferenceArgsTests
{
    [Test]
    public void Arguments_survive_the_wire_with_their_types()
    {
        var args = new InferenceArgs { ["max_tokens"] = 64, ["temperature"] = 1.0, ["top_p"] = 0.9f, ["stop"] = new[] { "\n", "é" }, ["ignore_eos"] = true, ["seed"] = null };
        var back = InferenceArgs.FromJson(args.ToJson());
        Assert.That(back.Names, Is.EqualTo(args.Names));
        Assert.That(back.GetInt32("max_tokens"), Is.EqualTo(64));
        Assert.That(back["temperature"], Is.EqualTo(1.0).And.TypeOf<double>());
        Assert.That(back.GetDouble("top_p"), Is.EqualTo(0.9));
        Assert.That(back.GetStrings("stop"), Is.EqualTo(new[] { "\n", "é" }));
        Assert.That(back.GetBoolean("ignore_eos"), Is.True);
        Assert.That(back.Contains("seed") && back["seed"] is null);
        Assert.That(InferenceArgs.FromJson(new InferenceArgs().ToJson()).Count, Is.Zero);
    }

    [Test]
    public void A_value_of_another_type_is_named_with_its_argument()
    {
        var args = new InferenceArgs { ["max_tokens"] = "many", ["stop_token_ids"] = new[] { 1, 2 } };
        Assert.That(() => args.GetInt32("max_tokens"), Throws.ArgumentException.With.Message.EqualTo("The inference argument 'max_tokens' must be an integer, not 'many'."));
        Assert.That(args.GetInt32s("stop_token_ids"), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(() => args["when"] = DateTime.Now, Throws.ArgumentException.With.Message.Contains("'when'"));
        Assert.That(() => args["x"] = double.NaN, Throws.ArgumentException);
    }

    [TestCase("{")]
    [TestCase("[1]")]
    public void What_is_not_an_object_is_refused(string json) =>
        Assert.That(() => InferenceArgs.FromJson(json), Throws.TypeOf<FormatException>());

    [Test]
    public void Dictionaries_and_lists_within_each_other_survive_the_wire()
    {
        using var json = System.Text.Json.JsonDocument.Parse("""{"regex":"[a-z]+","n":[1,[2.5]]}""");
        var args = new InferenceArgs
        {
            ["logit_bias"] = new Dictionary<int, float> { [7] = -1.5f },
            ["structured_outputs"] = new Dictionary<string, object?> { ["choice"] = new[] { "good", "bad" }, ["none"] = null },
            ["more"] = json.RootElement,
        };
        const string Expected = """{"logit_bias":{"7":-1.5},"more":{"n":[1,[2.5]],"regex":"[a-z]\u002B"},"structured_outputs":{"choice":["good","bad"],"none":null}}""";
        Assert.That(args.ToJson(), Is.EqualTo(Expected));
        Assert.That(InferenceArgs.FromJson(args.ToJson()).ToJson(), Is.EqualTo(Expected));
    }

    [Test]
    public void A_value_without_end_is_refused()
    {
        var circle = new List<object>();
        circle.Add(circle);
        Assert.That(() => new InferenceArgs { ["circle"] = circle }, Throws.ArgumentException.With.Message.Contains("over 32 deep"));
        Assert.That(() => new InferenceArgs { ["odd"] = new Dictionary<double, int> { [1.5] = 1 } }, Throws.ArgumentException.With.Message.Contains("'odd'"));
        Assert.That(() => InferenceArgs.FromJson($"{{\"a\":{new string('[', 40)}{new string(']', 40)}}}"), Throws.TypeOf<FormatException>());
    }

    [Test]
    public void A_handler_refuses_arguments_that_it_does_not_know()
    {
        Assert.That(() => new FakeModelHandler().ValidateInferenceArgs(new() { ["greting"] = "x" }),
            Throws.ArgumentException.With.Message.EqualTo("FakeModelHandler does not know the inference argument 'greting'. It knows greeting."));
        Assert.That(() => new DoublingHandler().WithPreprocess((string s) => s.Length).ValidateInferenceArgs(new() { ["x"] = 1 }),
            Throws.ArgumentException.With.Message.EqualTo("DoublingHandler takes no inference arguments, and was given 'x'."));
    }
}

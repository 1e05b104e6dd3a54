using System.CommandLine;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine.Chat;

/// <summary><c>beam engine chat MODEL</c>: talk to a model, in a terminal or through pipes.</summary>
internal static class ChatCommand
{
    public static Command Create(CliHost host)
    {
        var system = new Option<string?>("--system") { Description = "What the model is told before the conversation.", HelpName = "text" };
        var template = new Option<string?>("--chat-template") { Description = "A Jinja file to use instead of the model's own template.", HelpName = "file" };
        var command = new Command("chat", "Chat with a model in the terminal, or through pipes. /reset forgets the conversation, /exit leaves.");
        ModelOptions model = new();
        SamplingOptions sampling = new();
        command.Options.Add(system);
        command.Options.Add(template);
        sampling.AddTo(command);
        model.AddTo(command, "served_model_name", "max_num_seqs", "scheduling_policy", "skip_tokenizer_init", "max_logprobs", "enable_lora", "lora_modules", "max_loras", "max_lora_rank", "max_cpu_loras");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = model.Read(parsed) with { MaxNumSequences = 1 };
            await using var engine = await LoadingNotice.ShowAsync(host, options.Model, () => LlmEngine.LoadAsync(options, cancellationToken));
            var parameters = sampling.Read(parsed, engine.DefaultSamplingParams);
            var conversation = new Conversation(engine, ChatTemplate.Load(engine.ModelFolderPath, parsed.GetValue(template)), parsed.GetValue(system));
            await new ChatLoop(host, engine, conversation, parameters).RunAsync(cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }
}
